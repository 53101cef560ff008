//! What counts as an arrow up, on trees of a few lines.

use super::rooms::Rooms;
use super::tree::Tree;

fn problems(rooms: &str, files: &[(&str, &str)]) -> Vec<String> {
    let files = files
        .iter()
        .map(|(name, source)| ((*name).to_owned(), (*source).to_owned()));
    Tree::new(files).problems(&Rooms::new(rooms))
}

/// What `low.rs` may not name of `high.rs`; there are `low/inner.rs` and a re-export, too.
fn of_low(source: &str) -> Vec<String> {
    let files = [
        (
            "lib.rs",
            "mod low; mod high; pub use self::high::{High, Other as Renamed};",
        ),
        ("low.rs", source),
        ("low/inner.rs", ""),
        ("high.rs", "use crate::low::Low;"),
    ];
    problems("low high", &files)
}

#[test]
fn a_path_down_is_fine() {
    assert!(of_low("").is_empty());
    assert!(of_low("mod inner; use self::inner::A; fn f() { inner::b() }").is_empty());
}

#[test]
fn in_a_use_group() {
    let source = "use std::fmt;\nuse crate::{\n    low::Low,\n    high::{self, High as H},\n};";
    let expected = [
        "low.rs:4: low -> high (crate::high::self)",
        "low.rs:4: low -> high (crate::high::High)",
    ];
    assert_eq!(of_low(source), expected);
}

#[test]
fn in_nested_supers() {
    let files = [
        (
            "low/inner/deep.rs",
            "use super::super::super::high::High;\nuse super::super::Low;",
        ),
        ("high.rs", ""),
    ];
    let expected = ["low/inner/deep.rs:1: low -> high (super::super::super::high::High)"];
    assert_eq!(problems("low high", &files), expected);
}

#[test]
fn in_a_module_within_the_file() {
    let source =
        "#[cfg(test)]\nmod tests {\n    use super::*;\n    use super::super::high::High;\n}";
    let expected = ["low.rs:4: low -> high (super::super::high::High)"];
    assert_eq!(of_low(source), expected);
}

#[test]
fn in_the_body_of_a_macro() {
    let source = "macro_rules! m { () => { $crate::high::f() } }\nfn f() { print!(\"{}\", crate::high::f()) }";
    let expected = [
        "low.rs:1: low -> high (crate::high::f)",
        "low.rs:2: low -> high (crate::high::f)",
    ];
    assert_eq!(of_low(source), expected);
}

#[test]
fn in_an_expression_and_in_a_type() {
    let source =
        "fn f(a: Vec<super::high::High<crate::low::Low>>) {\n    crate::high::f::<u8>(a)\n}";
    let expected = [
        "low.rs:1: low -> high (super::high::High)",
        "low.rs:2: low -> high (crate::high::f)",
    ];
    assert_eq!(of_low(source), expected);
}

#[test]
fn by_a_re_export() {
    let source = "use crate::High;\nuse super::Renamed;\nuse crate::Nothing;\nuse crate::*;";
    let expected = [
        "low.rs:1: low -> high (crate::High)",
        "low.rs:2: low -> high (super::Renamed)",
        "low.rs:3: `Nothing` is not re-exported (crate::Nothing)",
        "low.rs:4: low -> the top (crate::*)",
    ];
    assert_eq!(of_low(source), expected);
}

#[test]
fn not_in_documentation_attributes_and_visibilities() {
    let source = "//! [`crate::high::High`]\n/// [`High`](crate::high::High)\n#[a(crate = crate::high)]\n\
                  pub(in crate::high) fn f() {} // crate::high::f";
    assert!(of_low(source).is_empty());
}

#[test]
fn a_room_within_another_one() {
    let files = [
        ("import.rs", "mod plan; use plan::Plan;"),
        ("import/plan.rs", "use super::Import;"),
        ("import/rest.rs", "use super::Import;"),
    ];
    let expected = ["import/plan.rs:1: import::plan -> import (super::Import)"];
    assert_eq!(problems("import::plan import", &files), expected);
    let expected = ["import.rs:1: import -> import::plan (plan::Plan)"];
    assert_eq!(problems("import import::plan", &files), expected);
}

#[test]
fn a_circle_passes_in_no_order_but_as_one_room() {
    let files = [("a.rs", "use crate::b::B;"), ("b.rs", "use crate::a::A;")];
    assert_eq!(problems("a b", &files), ["a.rs:1: a -> b (crate::b::B)"]);
    assert_eq!(problems("b a", &files), ["b.rs:1: b -> a (crate::a::A)"]);
    assert!(problems("a+b", &files).is_empty());
}

#[test]
fn the_top_is_named_by_nobody() {
    let files = [
        ("lib.rs", "use self::a::A;"),
        ("a.rs", "use crate::__private::A;"),
        ("private.rs", "pub use crate::a::A;"),
    ];
    let expected = ["a.rs:1: a -> the top (crate::__private::A)"];
    assert_eq!(problems("a", &files), expected);
}

#[test]
fn files_and_list_are_the_same() {
    let files = [("a.rs", ""), ("b/mod.rs", ""), ("b/c.rs", "")];
    assert!(problems("a b", &files).is_empty());
    assert_eq!(
        problems("a", &files),
        [
            "b/mod.rs: in no room of the list",
            "b/c.rs: in no room of the list"
        ]
    );
    assert_eq!(
        problems("a b b::d a", &files),
        ["b::d: a room without a file", "a: listed twice"]
    );
}

#[test]
fn the_list_is_in_a_fenced_block() {
    let document = "text\n```text rooms other\nx\n```\n```text rooms ours\na b\nc\n```\nd";
    let rooms = Rooms::of_document(document, "ours");
    let listed: Vec<_> = rooms.listed().collect();
    assert_eq!(listed, [(0, "a"), (1, "b"), (2, "c")]);
}
