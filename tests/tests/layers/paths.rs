//! The paths within its own crate that a file names.
//!
//! They are read off the tokens, so that a `use`, a type, an expression and the body of a macro are all the same. Left out are
//! attributes, and with them documentation, and where an item is visible: `pub(in crate::import)` uses nothing.

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};

/// One path: `crate::import::plan::Plan`, `super::Flag`, `self::slot::Slot`, or `slot::Slot` where `slot` is a child.
pub(crate) struct Reference {
    pub(crate) line: usize,
    /// The module in which it stands, with those that are written within the file.
    pub(crate) module: String,
    /// `*` is the last one of a glob.
    pub(crate) segments: Vec<String>,
    /// The name that it has afterwards.
    pub(crate) name: String,
}

impl Reference {
    pub(crate) fn path(&self) -> String {
        self.segments.join("::")
    }

    /// The path from the root.
    pub(crate) fn absolute(&self) -> Vec<String> {
        let first = &self.segments[0];
        let inner = self.module.split("::").filter(|name| !name.is_empty());
        let mut absolute: Vec<String> = match first.as_str() {
            "crate" => Vec::new(),
            _ => inner.map(str::to_owned).collect(),
        };
        for segment in &self.segments {
            match segment.as_str() {
                "crate" | "self" => {}
                "super" => drop(absolute.pop()),
                name => absolute.push(name.to_owned()),
            }
        }
        absolute
    }
}

/// The paths of a file that is `module`; `is_module` knows every module that is a file.
pub(crate) fn references(
    source: &str,
    module: &str,
    is_module: &dyn Fn(&str) -> bool,
) -> Vec<Reference> {
    let mut scan = Scan {
        is_module,
        module: module.to_owned(),
        found: Vec::new(),
    };
    let tokens: TokenStream = source.parse().expect("a file of Rust");
    scan.tokens(tokens);
    scan.found
}

/// `child` of `module`; the root is the empty text.
pub(crate) fn join(module: &str, child: &str) -> String {
    if module.is_empty() {
        child.to_owned()
    } else {
        format!("{module}::{child}")
    }
}

struct Scan<'a> {
    is_module: &'a dyn Fn(&str) -> bool,
    module: String,
    found: Vec<Reference>,
}

impl Scan<'_> {
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            let rest = &tokens[at..];
            at += if let Some(length) = unused(rest) {
                length
            } else if let Some((name, body)) = module_with_body(rest) {
                let outer = self.module.clone();
                self.module = join(&outer, &name);
                self.tokens(body);
                self.module = outer;
                3
            } else if self.begins_path(&tokens[..at], rest) {
                self.path(rest, &[])
            } else {
                if let TokenTree::Group(group) = &rest[0] {
                    self.tokens(group.stream());
                }
                1
            };
        }
    }

    fn begins_path(&self, before: &[TokenTree], rest: &[TokenTree]) -> bool {
        let TokenTree::Ident(first) = &rest[0] else {
            return false;
        };
        let first = first.to_string();
        let is_continued = before.len() > 1 && is_separator(&before[before.len() - 2..]);
        let is_ours = matches!(first.as_str(), "crate" | "self" | "super")
            || (self.is_module)(&join(&self.module, &first));
        is_ours && !is_continued && is_separator(&rest[1..]) && rest.get(3).is_some_and(goes_on)
    }

    /// Notes the path, or the paths of its braces, that `tokens` begin with behind `prefix`; how many tokens that are.
    fn path(&mut self, tokens: &[TokenTree], prefix: &[String]) -> usize {
        let mut segments = prefix.to_vec();
        let mut at = 0;
        loop {
            if let TokenTree::Group(group) = &tokens[at] {
                self.braces(group, &segments);
                return at + 1;
            }
            segments.push(tokens[at].to_string());
            at += 1;
            if !is_separator(&tokens[at..]) || !tokens.get(at + 2).is_some_and(goes_on) {
                break;
            }
            at += 2;
        }
        let renamed = match &tokens[at..] {
            [TokenTree::Ident(word), TokenTree::Ident(name), ..] if word == "as" => Some(name),
            _ => None,
        };
        let own = segments.iter().rfind(|segment| *segment != "self");
        self.found.push(Reference {
            line: tokens[at - 1].span().start().line,
            module: self.module.clone(),
            name: renamed.map_or_else(|| own.cloned().unwrap_or_default(), ToString::to_string),
            segments,
        });
        at
    }

    fn braces(&mut self, group: &Group, prefix: &[String]) {
        let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
        for tree in tokens.split(|token| is_punct(token, ',')) {
            if !tree.is_empty() {
                self.path(tree, prefix);
            }
        }
    }
}

/// How many tokens there are of an attribute, or of a visibility with its parentheses.
fn unused(tokens: &[TokenTree]) -> Option<usize> {
    match tokens {
        [hash, TokenTree::Group(group), ..]
            if is_punct(hash, '#') && group.delimiter() == Delimiter::Bracket =>
        {
            Some(2)
        }
        [hash, bang, TokenTree::Group(group), ..]
            if is_punct(hash, '#')
                && is_punct(bang, '!')
                && group.delimiter() == Delimiter::Bracket =>
        {
            Some(3)
        }
        [TokenTree::Ident(word), TokenTree::Group(group), ..]
            if word == "pub" && is_visibility(group) =>
        {
            Some(2)
        }
        _ => None,
    }
}

/// Not the type of a field: `pub (crate::A, crate::B)`.
fn is_visibility(group: &Group) -> bool {
    let tokens: Vec<String> = group
        .stream()
        .into_iter()
        .map(|token| token.to_string())
        .collect();
    tokens.first().is_some_and(|first| first == "in") || tokens.len() == 1
}

fn module_with_body(tokens: &[TokenTree]) -> Option<(String, TokenStream)> {
    match tokens {
        [
            TokenTree::Ident(word),
            TokenTree::Ident(name),
            TokenTree::Group(body),
            ..,
        ] if word == "mod" => Some((name.to_string(), body.stream())),
        _ => None,
    }
}

/// Whether `::` comes first.
fn is_separator(tokens: &[TokenTree]) -> bool {
    match tokens {
        [TokenTree::Punct(first), second, ..] => {
            first.as_char() == ':' && first.spacing() == Spacing::Joint && is_punct(second, ':')
        }
        _ => false,
    }
}

/// Whether a path goes on with it after `::`; it does not with `<`.
fn goes_on(token: &TokenTree) -> bool {
    match token {
        TokenTree::Ident(_) => true,
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        other => is_punct(other, '*'),
    }
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}
