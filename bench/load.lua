-- What wrk asks, and how it judges each answer: the reference that comes back says about whom it
-- is, and what must stand in it was worked out before.
-- Arguments: mode, path, file of questions, file of tokens, where to begin, persons in a batch.

local heads, numbers, needles, pending = {}, {}, {}, {}
local before, after, size, count, place, clients, turn
local find = string.find
asked, answered, wrong, first = 0, 0, 0, ""

local threads = {}
function setup(thread) threads[#threads + 1] = thread end

local function split(line)
  local cells = {}
  for cell in line:gmatch("[^\t]+") do cells[#cells + 1] = cell end
  return cells
end

local function referte(k) return string.format("m%07d", k) end

function init(args)
  local mode, path = args[1], args[2]
  for line in io.lines(args[3]) do
    local cells = split(line)
    numbers[#numbers + 1] = table.remove(cells, 1)
    needles[#needles + 1] = cells
  end
  count, size = #numbers, tonumber(args[6])
  place = tonumber(args[5]) % count
  local about = mode == "advice"
    and '"doeleinde":"zorgbudgetZwaarZorgbehoevenden","toetsdatum":"2026-06-01"'
    or '"doeleinde":"lokaalIntegratiebeleid"'
  if size == 1 then
    before, after = '{"insz":"', '",' .. about .. ',"referte":"'
  else
    before, after = "{" .. about .. ',"referte":"batch","vragen":[', "]}"
  end
  for token in io.lines(args[4]) do
    heads[#heads + 1] = "POST " .. path .. " HTTP/1.1\r\nHost: 127.0.0.1\r\n"
      .. "Authorization: Bearer " .. token .. "\r\nX-Magda-Enduser-ID: ambtenaar-7\r\n"
      .. "X-Functieprofiel: trajectondersteuner\r\nAccept: application/json\r\n"
      .. "Content-Type: application/json\r\nContent-Length: "
  end
  clients, turn = #heads, 0
  if mode == "constant" then response = constant end
end

local function next_place()
  place = place % count + 1
  return place
end

function request()
  asked = asked + 1
  turn = turn % clients + 1
  local body
  if size == 1 then
    local k = next_place()
    pending[k] = (pending[k] or 0) + 1
    body = before .. numbers[k] .. after .. referte(k) .. '"}'
  else
    local items = {}
    for i = 1, size do
      local k = next_place()
      items[i] = '{"insz":"' .. numbers[k] .. '","referte":"' .. referte(k) .. '"}'
    end
    body = before .. table.concat(items, ",") .. after
  end
  return heads[turn] .. #body .. "\r\n\r\n" .. body
end

local function fail(status, why)
  wrong = wrong + 1
  if first == "" then first = why .. ", status " .. status end
end

-- The answer about one person between two positions of the body.
local function holds(body, k, from)
  local at = from
  for _, needle in ipairs(needles[k]) do
    local begin, stop = find(body, needle, from, true)
    if not begin then return nil end
    if stop > at then at = stop end
  end
  return at
end

function response(status, _, body)
  answered = answered + 1
  if status ~= 200 then return fail(status, "refused") end
  if size == 1 then
    local _, _, digits = find(body, '"referte":"m(%d+)"')
    local k = tonumber(digits or 0)
    if (pending[k] or 0) < 1 then return fail(status, "an answer that nobody asked for") end
    pending[k] = pending[k] - 1
    if not holds(body, k, 1) then fail(status, "the answer is about another person") end
    return
  end
  local from, told = 1, 0
  while true do
    local begin, stop, digits = find(body, '"referte":"m(%d+)"', from)
    if not begin then break end
    local k = tonumber(digits)
    -- The item has the reference twice: beside the answer and in it.
    local again, last = find(body, '"referte":"m' .. digits .. '"', stop, true)
    if not again then return fail(status, "no answer about a person of the batch") end
    local item = find(body, '"referte":"m', last, true) or #body + 1
    local at = holds(body, k, again)
    if not at or at > item then return fail(status, "another person in the batch") end
    from, told = item, told + 1
  end
  if told ~= size then fail(status, "a batch of another size") end
end

function constant(status, _, body)
  answered = answered + 1
  if status ~= 200 or #body < 500 then fail(status, "not the constant") end
end

-- Of no answer at all there is no percentile.
local function percentile(latency, share)
  local found = latency:percentile(share)
  return found == found and found or 0
end

function done(summary, latency)
  local sent, judged, failed, why = 0, 0, 0, ""
  for _, thread in ipairs(threads) do
    sent, judged = sent + thread:get("asked"), judged + thread:get("answered")
    failed = failed + thread:get("wrong")
    if why == "" then why = thread:get("first") end
  end
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"microseconds":%d,"bytes":%d,"p50":%f,"p99":%f,"asked":%d,"judged":%d,'
      .. '"wrong":%d,"first":"%s","errors":%d}\n',
    summary.requests, summary.duration, summary.bytes, percentile(latency, 50),
    percentile(latency, 99), sent, judged, failed, why,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
