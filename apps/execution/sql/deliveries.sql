-- deliveries: what is to be applied to these instances, by instance in log order, with the signals.
-- Reader of wf_delivery_open (state, instance_id, signal_id).
SELECT delivery.id, delivery.signal_id, delivery.instance_id, signal.name, signal.payload, signal.received_at
FROM wf_delivery delivery
JOIN wf_signal signal ON signal.id = delivery.signal_id
WHERE delivery.state = 'ready' AND delivery.state IN ('ready', 'held') AND delivery.instance_id = ANY (%(ids)b::bigint[])
ORDER BY delivery.instance_id, delivery.signal_id
LIMIT %(limit)b
