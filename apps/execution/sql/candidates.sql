-- candidates: the open waits whose match key equals that of a signal of the batch.
-- Reader of the index wf_wait_match (template_id, key_hash, id): one descent for each probe, however many waits
-- there are. A template without key fields has the hash 0, so it is read by the same index, a page at a time.
SELECT probe.index, wait.id, wait.instance_id, wait.template_id, wait.criteria, wait.since_at, wait.since_signal
FROM unnest(%(indexes)b::integer[], %(templates)b::bigint[], %(hashes)b::bigint[])
         AS probe (index, template_id, key_hash)
JOIN wf_wait wait
  ON wait.template_id = probe.template_id
 AND wait.key_hash = probe.key_hash
 AND wait.id > %(after)b
ORDER BY probe.index, wait.id
LIMIT %(limit)b
