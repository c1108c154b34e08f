-- Reads a record, with its key: so that an answer that is another's is believed by nobody.
--
-- KEYS: the record. ARGV: how many bytes of it at most. Nothing is written.

return {KEYS[1], redis.call('GETRANGE', KEYS[1], 0, ARGV[1] - 1)}
