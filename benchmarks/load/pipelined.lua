-- Sixteen requests in one write: what a client that does not wait for answers sends.
init = function()
  local one = wrk.format()
  sixteen = one:rep(16)
end

request = function()
  return sixteen
end
