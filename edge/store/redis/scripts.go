package redis

import "github.com/redis/go-redis/v9"

// next is the function that counts: KEYS[1] is the counter.
const next = `
local function next()
	local t = redis.call('TIME')
	local now = t[1] * 1000000 + t[2]
	local last = tonumber(redis.call('GET', KEYS[1]) or '0')
	local n = string.format('%.0f', math.max(last + 1, now))
	redis.call('SET', KEYS[1], n)
	return n, math.floor(now / 1000)
end
`

// scriptCommit writes a batch.
//
//	KEYS  counter, index, expiries, lease, then one for each change
//	ARGV  prefix of values, channel, lease's content ("" for none), then for each
//	      change: key, "put" or "delete", value, life in ms (0 for ever), condition
//	      ("" for none, "0" for absent, or a version), "quiet" or ""
//
// Everything is checked before the first write, and counting is the first write: if Redis
// is full, or may not write, that fails and nothing has happened.
var scriptCommit = redis.NewScript(next + `
local values, channel, held = ARGV[1], ARGV[2], ARGV[3]
if held ~= '' and redis.call('GET', KEYS[4]) ~= held then
	return {'fenced'}
end
for i = 5, #KEYS do
	local a = (i - 5) * 6 + 4
	local cond = ARGV[a + 4]
	if cond ~= '' then
		local head = redis.call('GETRANGE', KEYS[i], 0, 31)
		if (string.match(head, '^%d+') or '0') ~= cond then
			return {'conflict', ARGV[a]}
		end
	end
end
local version, now = next()
for i = 5, #KEYS do
	local a = (i - 5) * 6 + 4
	local key, ttl, gone = ARGV[a], tonumber(ARGV[a + 3]), false
	if ARGV[a + 1] == 'delete' then
		gone = redis.call('DEL', KEYS[i]) == 0
		redis.call('ZREM', KEYS[2], key)
		redis.call('ZREM', KEYS[3], key)
	elseif ttl > 0 then
		local at = string.format('%.0f', now + ttl)
		redis.call('SET', KEYS[i], version .. ' ' .. at .. '\n' .. ARGV[a + 2], 'PX', ttl)
		redis.call('ZADD', KEYS[2], 0, key)
		redis.call('ZADD', KEYS[3], at, key)
	else
		redis.call('SET', KEYS[i], version .. ' 0\n' .. ARGV[a + 2])
		redis.call('ZADD', KEYS[2], 0, key)
		redis.call('ZREM', KEYS[3], key)
	end
	if not gone and ARGV[a + 5] == '' then
		redis.call('PUBLISH', channel, key)
	end
end
local old = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, 16)
for _, key in ipairs(old) do
	if redis.call('EXISTS', values .. key) == 0 then
		redis.call('ZREM', KEYS[2], key)
		redis.call('ZREM', KEYS[3], key)
	end
end
return {'ok', version}
`)

// scriptList reads a page: KEYS index, expiries; ARGV prefix of values, from, to, how
// many keys, how many bytes. What has expired is taken out of the sets on the way, so
// that the same question goes further when it is asked again. Answers whether there may
// be more, then keys and values by turns.
var scriptList = redis.NewScript(`
local values, from, most, room = ARGV[1], '[' .. ARGV[2], tonumber(ARGV[4]), tonumber(ARGV[5])
local out, dead = {'0'}, 0
while #out < 2 * most and dead < 2000 do
	local want = math.min(most - (#out - 1) / 2, 500)
	local keys = redis.call('ZRANGEBYLEX', KEYS[1], from, '[' .. ARGV[3], 'LIMIT', 0, want)
	for _, key in ipairs(keys) do
		local value = redis.call('GET', values .. key)
		if value then
			out[#out + 1] = key
			out[#out + 1] = value
			room = room - #value
			if room <= 0 then
				out[1] = '1'
				return out
			end
		else
			dead = dead + 1
			redis.call('ZREM', KEYS[1], key)
			redis.call('ZREM', KEYS[2], key)
		end
		from = '(' .. key
	end
	if #keys < want then
		return out
	end
end
out[1] = '1'
return out
`)

// scriptAcquire gives a lease: KEYS counter, lease; ARGV holder, life in ms.
var scriptAcquire = redis.NewScript(next + `
local is = redis.call('GET', KEYS[2])
if is then
	local fence, holder = string.match(is, '^(%d+) (.*)$')
	if holder ~= ARGV[1] then
		return {'held'}
	end
	redis.call('PEXPIRE', KEYS[2], ARGV[2])
	return {'ok', fence}
end
local fence = next()
redis.call('SET', KEYS[2], fence .. ' ' .. ARGV[1], 'PX', ARGV[2])
return {'ok', fence}
`)

// scriptExtend prolongs a lease: KEYS lease; ARGV content, life in ms.
var scriptExtend = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
	return {'fenced'}
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {'ok', '0'}
`)

// scriptRelease frees a lease: KEYS lease; ARGV fence (0 for any), holder.
var scriptRelease = redis.NewScript(`
local is = redis.call('GET', KEYS[1])
if is then
	local fence, holder = string.match(is, '^(%d+) (.*)$')
	if holder == ARGV[2] and (ARGV[1] == '0' or ARGV[1] == fence) then
		redis.call('DEL', KEYS[1])
	end
end
return {'ok', '0'}
`)
