//! The codes of this crate's problems, each with cause and cure.
//!
//! `AR00xx` is the range of files and XML; a code keeps its meaning for ever.

diagnostics::codes! {
    LIMIT = "AR0003": "the document is larger, deeper or fuller than any real one";
        "check that it is the file you meant, and split what can be split".
    NO_ROOT = "AR0010": "the file holds no element at all";
        "check that it is the file you meant, and that it was saved".
    OUTSIDE_ROOT = "AR0011": "something other than comments and white space stands outside the root element";
        "delete it or move it inside".
    UNCLOSED = "AR0012": "an element is never closed";
        "add its end tag, or end its start tag with `/>`".
    MISMATCHED_END = "AR0013": "an end tag does not belong to the element that is open";
        "make the names of start tag and end tag the same".
    TAG = "AR0014": "a tag is not written as XML asks";
        "write `<Name attribute=\"value\">`, with white space between attributes".
    QUOTE = "AR0015": "an attribute value is not in straight quotes, or its closing quote is missing";
        "put the value between two `\"`".
    LESS_THAN = "AR0016": "a `<` stands inside an attribute value";
        "write it as `&lt;`".
    DUPLICATE_ATTRIBUTE = "AR0017": "an element has one attribute twice";
        "delete one of them".
    REFERENCE = "AR0018": "a `&` starts no reference that XML defines";
        "write a plain ampersand as `&amp;`".
    CHARACTER = "AR0019": "a control character or a non-character stands in the text";
        "delete it".
    NAME = "AR0020": "a name has characters that XML does not allow there";
        "names begin with a letter or `_` and go on with letters, digits, `.`, `-` and `_`".
    NAMESPACE = "AR0021": "a prefix is not declared, or a namespace is declared in a way that XML forbids";
        "declare it with `xmlns:prefix=\"…\"` or take the prefix away".
    DOCTYPE = "AR0022": "the file has a DOCTYPE, which is refused because it can define entities";
        "delete the `<!DOCTYPE …>`".
    MARKUP = "AR0023": "a comment, CDATA section or processing instruction is malformed or never closed";
        "close it with `-->`, `]]>` or `?>`, and keep `--` out of comments".
    DECLARATION = "AR0024": "the XML declaration is malformed or not at the very start";
        "write `<?xml version=\"1.0\" encoding=\"utf-8\"?>` as the first thing in the file".
    CDATA_END = "AR0025": "`]]>` stands in plain text";
        "write it as `]]&gt;`".
}
