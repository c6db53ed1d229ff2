-- Gets the request as a string; returns the answer and, if it is not 0, a status from 1 to 255.
return function(request)
    if request == "" then
        return "whom shall I greet?\n", 1
    end
    return "hello, " .. request .. "\n"
end
