-- candidates: the open waits whose match key equals that of a signal of the batch.
-- Reader of the index wf_wait_match (template_id, key_hash, id): one descent for each probe, however many waits
-- there are. A template without key fields has the hash 0, so it is read by the same index, a page at a time.
-- LATERAL with a LIMIT, because a plain join is planned as a hash over the whole table while that is small, and goes
-- on being planned so while it grows, until the next ANALYZE.
SELECT probe.index, wait.id, wait.instance_id, wait.template_id, wait.criteria, wait.since_at, wait.since_signal
FROM unnest(%(indexes)b::integer[], %(templates)b::bigint[], %(hashes)b::bigint[])
         AS probe (index, template_id, key_hash)
CROSS JOIN LATERAL (
    SELECT * FROM wf_wait
    WHERE template_id = probe.template_id AND key_hash = probe.key_hash AND id > %(after)b
    ORDER BY id
    LIMIT %(limit)b
) wait
ORDER BY probe.index, wait.id
LIMIT %(limit)b
