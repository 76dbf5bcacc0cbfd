-- runnable: instances with something to apply, locked, those that another worker has left out.
-- Each branch reads one partial index that holds nothing but what is open: wf_delivery_open, wf_instruction_ready and
-- wf_wait_due. The limits are in the branches so that a backlog of one kind is not read whole.
WITH found AS (
    (SELECT DISTINCT instance_id FROM wf_delivery
     WHERE state = 'ready' AND state IN ('ready', 'held') AND instance_id > %(after)b
     ORDER BY instance_id LIMIT %(limit)b)
    UNION
    (SELECT DISTINCT instance_id FROM wf_instruction
     WHERE NOT held AND instance_id > %(after)b
     ORDER BY instance_id LIMIT %(limit)b)
    UNION
    (SELECT instance_id FROM wf_wait
     WHERE due_at <= %(moment)b AND NOT held AND instance_id > %(after)b
     ORDER BY due_at LIMIT %(limit)b)
)
SELECT id FROM wf_instance
WHERE id IN (SELECT instance_id FROM found) AND NOT alone
ORDER BY id
LIMIT %(limit)b
FOR NO KEY UPDATE SKIP LOCKED
