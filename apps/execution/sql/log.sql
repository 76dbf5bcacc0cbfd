-- log: the next signals after the cursor, in log order. Reader of the primary key.
SELECT id, tenant_id, name, payload, received_at
FROM wf_signal
WHERE id > %(position)b
ORDER BY id
LIMIT %(limit)b
