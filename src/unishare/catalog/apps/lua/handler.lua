-- Counts words: most frequent first, then by name.
return function(request)
    local counts, words = {}, {}
    for word in request:gmatch("%a+") do
        if not counts[word] then
            words[#words + 1] = word
        end
        counts[word] = (counts[word] or 0) + 1
    end
    if #words == 0 then
        return "no words", 2
    end
    table.sort(words, function(a, b)
        if counts[a] ~= counts[b] then
            return counts[a] > counts[b]
        end
        return a < b
    end)
    local lines = {}
    for _, word in ipairs(words) do
        lines[#lines + 1] = word .. " " .. counts[word] .. "\n"
    end
    return table.concat(lines)
end
