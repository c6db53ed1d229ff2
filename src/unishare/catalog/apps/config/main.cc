// Looks a setting up in XML: the first line is a path of element names, the rest the document. C++ without exceptions and RTTI.
#include <cstring>
#include <tinyxml2.h>

#include <unishare/function.h>

namespace {

class Finder {
public:
    explicit Finder(const tinyxml2::XMLDocument &document) : at_(document.RootElement()) {}

    // Go down one level of the path; the root's own name comes first.
    void descend(const char *name, bool root)
    {
        if (at_ && root)
            at_ = strcmp(at_->Name(), name) ? nullptr : at_;
        else if (at_)
            at_ = at_->FirstChildElement(name);
    }

    const char *text() const { return at_ ? at_->GetText() : nullptr; }

private:
    const tinyxml2::XMLElement *at_;
};

int handle(const unishare_request *request, unishare_answer *answer)
{
    char path[256], *rest = path;
    const char *text = reinterpret_cast<const char *>(request->data), *line = request->size ? strchr(text, '\n') : nullptr;
    tinyxml2::XMLDocument document;
    bool root = true;

    if (!line || static_cast<size_t>(line - text) >= sizeof path || document.Parse(line + 1) != tinyxml2::XML_SUCCESS) {
        unishare_answer_printf(answer, "%s\n", line ? document.ErrorStr() : "no document");
        return 1;
    }
    memcpy(path, text, static_cast<size_t>(line - text));
    path[line - text] = 0;
    Finder finder(document);
    while (const char *name = strsep(&rest, "/")) {
        finder.descend(name, root);
        root = false;
    }
    unishare_answer_printf(answer, "%s\n", finder.text() ? finder.text() : "not set");
    return finder.text() ? 0 : 2;
}

} // namespace

int main()
{
    return unishare_serve(handle);
}
