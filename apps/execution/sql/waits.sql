-- waits: all open waits of these instances, oldest first. Reader of wf_wait_number (instance_id, number).
SELECT id, instance_id, number, kind, signal, criteria, "where", due_at, since_at, since_signal
FROM wf_wait
WHERE instance_id = ANY (%(ids)b::bigint[])
ORDER BY instance_id, number
