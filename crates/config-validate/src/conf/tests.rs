//! Config text: what it becomes, and what is wrong with it.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use proptest::prelude::*;

use super::environment::include_path;
use super::*;

/// Variables and files in memory.
#[derive(Default)]
struct Memory {
    variables: HashMap<&'static str, String>,
    files: HashMap<&'static str, String>,
}

impl Environment for Memory {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let text = path.to_str().and_then(|path| self.files.get(path));
        text.map(|text| text.clone().into_bytes()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn memory(variables: &[(&'static str, &str)], files: &[(&'static str, &str)]) -> Memory {
    Memory {
        variables: variables.iter().map(|(name, text)| (*name, (*text).to_owned())).collect(),
        files: files.iter().map(|(name, text)| (*name, (*text).to_owned())).collect(),
    }
}

/// A value in a notation of its own, so that tests can compare it.
fn show(value: &Value) -> String {
    match value {
        Value::Str(text) => format!("{text:?}"),
        Value::Date(text) => format!("date {text}"),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Bool(flag) => flag.to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| show(&item.value)).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Map(map) => show_map(map),
    }
}

fn show_map(map: &Map) -> String {
    let entries: Vec<String> =
        map.iter().map(|(key, node)| format!("{key}={}", show(&node.value))).collect();
    format!("{{{}}}", entries.join(" "))
}

fn parsed(text: &str) -> String {
    match parse_text(text, &Memory::default()) {
        Ok(map) => show_map(&map),
        Err(error) => panic!("{text:?}: {error}"),
    }
}

fn refused(text: &str) -> String {
    match parse_text(text, &Memory::default()) {
        Ok(map) => panic!("{text:?} was accepted: {}", show_map(&map)),
        Err(error) => error.to_string(),
    }
}

fn check_table(table: &[(&str, &str)]) {
    for (text, wanted) in table {
        assert_eq!(parsed(text), *wanted, "{text:?}");
    }
}

#[test]
fn keys_and_what_separates_them_from_values() {
    check_table(&[
        ("", "{}"),
        ("a = 1", "{a=1}"),
        ("a: 1", "{a=1}"),
        ("a 1", "{a=1}"),
        ("a=1", "{a=1}"),
        ("a:1", "{a=1}"),
        ("a\n1", "{a=1}"),
        ("\"a b\": 1", "{a b=1}"),
        ("'a' 1", "{a=1}"),
        ("a=1;b=2", "{a=1 b=2}"),
        ("a=1,b=2", "{a=1 b=2}"),
        ("a=1\nb=2\r\nc=3", "{a=1 b=2 c=3}"),
        ("a=1\na=2", "{a=2}"),
        ("A=1\na=2", "{A=1 a=2}"),
        ("a =", "{a=\"\"}"),
        ("include: x", "{include=\"x\"}"),
        ("é = ü", "{é=\"ü\"}"),
    ]);
}

#[test]
fn comments() {
    check_table(&[
        ("# only\n// comments\n", "{}"),
        ("a=1 # x\nb=2 // y\n", "{a=1 b=2}"),
        ("m { # x\n a=1 // y\n # z\n}", "{m={a=1}}"),
        ("l [ # x\n 1, // y\n 2 # z\n]", "{l=[1 2]}"),
        // Only behind blanks: a bare word may hold both signs.
        ("a = x#y", "{a=\"x#y\"}"),
        ("a = http://x/y", "{a=\"http://x/y\"}"),
    ]);
}

#[test]
fn maps_arrays_and_braces_around_everything() {
    check_table(&[
        ("m {a=1, b=2}", "{m={a=1 b=2}}"),
        ("m = {a 1\nb 2}", "{m={a=1 b=2}}"),
        ("m: {a: {b: {}}}", "{m={a={b={}}}}"),
        ("m {a:\n1}", "{m={a=1}}"),
        ("m {'a': 1, \"b\": 2}", "{m={a=1 b=2}}"),
        ("l = []", "{l=[]}"),
        ("l = [1, 2, 'x', true]", "{l=[1 2 \"x\" true]}"),
        ("l = [1\n2\n]", "{l=[1 2]}"),
        ("l = [[1], [2, [3]]]", "{l=[[1] [2 [3]]]}"),
        ("l = [{a=1}, {a=2}]", "{l=[{a=1} {a=2}]}"),
        ("{a=1, b=2}", "{a=1 b=2}"),
        ("{\"a\": 1, \"b\": [true]}\n", "{a=1 b=[true]}"),
        ("{a=1}}", "{a=1}"),
        ("{\na=1\n", "{a=1}"),
        ("a=1 }", "{a=1}"),
    ]);
}

#[test]
fn booleans() {
    for word in ["true", "yes", "on", "TRUE", "Yes", "oN"] {
        assert_eq!(parsed(&format!("a = {word}")), "{a=true}", "{word}");
    }
    for word in ["false", "no", "off", "False", "NO", "oFF"] {
        assert_eq!(parsed(&format!("a = {word}")), "{a=false}", "{word}");
    }
    check_table(&[("a = 'true'", "{a=\"true\"}"), ("a = truely", "{a=\"truely\"}")]);
}

#[test]
fn strings() {
    check_table(&[
        ("a = 'x \\t y'", "{a=\"x \\\\t y\"}"),
        ("a = \"x\\ty\\n\\r\\\"\\\\\"", "{a=\"x\\ty\\n\\r\\\"\\\\\"}"),
        ("a = \"\\x41\\x62c\"", "{a=\"Abc\"}"),
        ("a = x\\ty", "{a=\"x\\ty\"}"),
        ("a = \\x24b", "{a=\"$b\"}"),
        ("a = \"x\ny\"", "{a=\"x\\ny\"}"),
        ("a = b'\nc = 1", "{a=\"b\" c=1}"),
        ("a = foo.bar.>", "{a=\"foo.bar.>\"}"),
        ("a = (\nx\n y)\n)\nb = 1", "{a=\"\\nx\\n y)\\n\" b=1}"),
        ("a = (\nx\n)", "{a=\"\\nx\\n\"}"),
        ("a = $2a$11$abc/def", "{a=\"$2a$11$abc/def\"}"),
    ]);
}

#[test]
fn numbers_and_their_suffixes() {
    check_table(&[
        ("a = 0", "{a=0}"),
        ("a = -12", "{a=-12}"),
        ("a = 9223372036854775807", "{a=9223372036854775807}"),
        ("a = -9223372036854775808", "{a=-9223372036854775808}"),
        ("a = 1.5", "{a=1.5}"),
        ("a = -0.25", "{a=-0.25}"),
        ("l = [1]", "{l=[1]}"),
        ("l = [1k, 2]", "{l=[1000 2]}"),
        ("a = -2k", "{a=-2000}"),
    ]);
    let thousand = |power| 1000_i64.pow(power).to_string();
    let kibi = |power| 1024_i64.pow(power).to_string();
    for (power, letter) in ["k", "m", "g", "t", "p", "e"].into_iter().enumerate() {
        let power = u32::try_from(power).expect("small") + 1;
        for letter in [letter.to_owned(), letter.to_uppercase()] {
            assert_eq!(parsed(&format!("a=1{letter}")), format!("{{a={}}}", thousand(power)));
            for rest in ["b", "i", "ib", "B", "I", "iB"] {
                let text = format!("a=1{letter}{rest}");
                assert_eq!(parsed(&text), format!("{{a={}}}", kibi(power)), "{text}");
            }
        }
    }
    check_table(&[
        ("a = 8esomething", "{a=\"8esomething\"}"),
        ("a = 1kx", "{a=\"1kx\"}"),
        ("a = 30s", "{a=\"30s\"}"),
        ("a = 2m", "{a=2000000}"),
    ]);
}

#[test]
fn what_begins_with_a_digit_but_is_no_number() {
    check_table(&[
        ("a = 127.0.0.1", "{a=\"127.0.0.1\"}"),
        ("a = 127.0.0.1:4222", "{a=\"127.0.0.1:4222\"}"),
        ("a = 10:20", "{a=\"10:20\"}"),
        ("a = 12ab", "{a=\"12ab\"}"),
        ("m {a = 1]2}", "{m={a=\"1]2\"}}"),
        ("a = 2016-05-04T18:53:41Z", "{a=date 2016-05-04T18:53:41Z}"),
        ("a = 2024-02-29T00:00:00Z", "{a=date 2024-02-29T00:00:00Z}"),
    ]);
}

#[test]
fn malformed_text_is_refused_in_the_words_of_the_reference() {
    for (text, error) in [
        ("x", "config is invalid (:1:1)"),
        ("a=1\n x", "config is invalid (:2:3)"),
        ("a = '", "config is invalid (:1:5)"),
        (
            "a = [1\n",
            "Parse error on line 2: 'Expected an array value terminator \",\" or an array \
                      terminator \"]\", but got '\0' instead.'",
        ),
        (
            "a = [1 2]",
            "Parse error on line 1: 'Expected an array value terminator \",\" or an \
                       array terminator \"]\", but got '2' instead.'",
        ),
        ("a = [,]", "Parse error on line 1: 'Unexpected array value terminator ','.'"),
        (
            "m {a=1",
            "Parse error on line 1: 'Expected a map value terminator \",\" or a map \
                    terminator \"}\", but got '\0' instead.'",
        ),
        ("m {\n", "Parse error on line 2: 'Unexpected EOF processing map.'"),
        ("m {ab", "Parse error on line 1: 'Unexpected EOF processing map key.'"),
        ("m {'ab", "Parse error on line 1: 'Unexpected EOF processing quoted map key.'"),
        ("m {\"ab", "Parse error on line 1: 'Unexpected EOF processing double quoted map key.'"),
        ("m {= 1}", "Parse error on line 1: 'Unexpected key separator '='.'"),
        ("m {]", "Parse error on line 1: 'Unexpected array end ']' processing map.'"),
        ("m {a: ,}", "Parse error on line 1: 'Unexpected map value terminator \",\".'"),
        (
            "m {a: }",
            "Parse error on line 1: 'Expected a value for key 'a' but found the end of \
                     the map.'",
        ),
        ("= 1", "Parse error on line 1: 'Unexpected key separator '=''"),
        (
            "a = 1 b",
            "Parse error on line 1: 'Expected a top-level value to end with a new line, \
                     comment or EOF, but got 'b' instead.'",
        ),
        (
            "{a = 1 b}",
            "Parse error on line 1: 'Expected a block-level value to end with a new \
                       line, comment or EOF, but got 'b' instead.'",
        ),
        (
            "{{a = 1} b",
            "Parse error on line 1: 'Expected a block-level to end with a '}', but got \
                        'b' instead.'",
        ),
        ("a =\nb", "Parse error on line 2: 'Expected value but found new line'"),
        ("/x", "Parse error on line 1: 'Unexpected EOF.'"),
        ("a = \"x", "Parse error on line 1: 'Unexpected EOF.'"),
        ("a = 'x", "Parse error on line 1: 'Unexpected EOF.'"),
        ("a = [\"", "Parse error on line 1: 'Unexpected EOF.'"),
        ("\0", "Parse error on line 1: 'Unexpected EOF.'"),
        ("a = (\nx", "Parse error on line 2: 'Unexpected EOF processing block.'"),
        ("a = (\nx\n) b", "Parse error on line 3: 'Unexpected EOF processing block.'"),
        ("a = .5", "Parse error on line 1: 'Floats must start with a digit'"),
        ("a = -.5", "Parse error on line 1: 'Floats must start with a digit, not '.'.'"),
        ("a = -x", "Parse error on line 1: 'Expected a digit but got 'x'.'"),
        (
            "a = 1.x",
            "Parse error on line 1: 'Floats must have a digit after the '.', but got 'x' \
                     instead.'",
        ),
        (
            "a = 1.\n",
            "Parse error on line 2: 'Floats must have a digit after the '.', but got \
                      '\\n' instead.'",
        ),
        ("a = 201-5", "Parse error on line 1: 'All ISO8601 dates must be in full Zulu form.'"),
        (
            "a = 2016-x",
            "Parse error on line 1: 'Expected digit in ISO8601 datetime, but found 'x' \
                        instead.'",
        ),
        (
            "a = 2016-05-04x",
            "Parse error on line 1: 'Expected 'T' in ISO8601 datetime, but found \
                             'x' instead.'",
        ),
        (
            "a = 2016-13-04T18:53:41Z",
            "expected Zulu formatted DateTime, but got \
                                      '2016-13-04T18:53:41Z'",
        ),
        (
            "a = 2023-02-29T00:00:00Z",
            "expected Zulu formatted DateTime, but got \
                                      '2023-02-29T00:00:00Z'",
        ),
        (
            "a = 2016-05-04T24:00:00Z",
            "expected Zulu formatted DateTime, but got \
                                      '2016-05-04T24:00:00Z'",
        ),
        (
            "a = \"\\q\"",
            "Parse error on line 1: 'Invalid escape character 'q'. Only the following \
                         escape characters are allowed: \\xXX, \\t, \\n, \\r, \\\", \\\\.'",
        ),
        (
            "a = \"\\xg1\"",
            "Parse error on line 1: 'Expected two hexadecimal digits after '\\x', \
                           but got 'g1''",
        ),
        (
            "a = \"\\x4\n\"",
            "Parse error on line 2: 'Expected two hexadecimal digits after '\\x', \
                            but hit end of line'",
        ),
        ("a = 9223372036854775808", "integer '9223372036854775808' is out of the range"),
        ("a = 10e", "integer '10e' is out of the range"),
        ("a = 1kbi", "integer '1kbi' has an unknown size suffix"),
        (
            "include [",
            "Parse error on line 1: 'Expected include value but found start of an \
                       array'",
        ),
        ("include {", "Parse error on line 1: 'Expected include value but found start of a map'"),
        ("include (", "Parse error on line 1: 'Expected include value but found start of a block'"),
        (
            "include 1",
            "Parse error on line 1: 'Expected include value but found start of a \
                       number'",
        ),
        ("include \\", "Parse error on line 1: 'Expected include value but found escape sequence'"),
        ("include \n", "Parse error on line 2: 'Expected include value but found new line'"),
        ("include 'x", "Parse error on line 1: 'Unexpected EOF in quoted include'"),
        ("include \"x", "Parse error on line 1: 'Unexpected EOF in double quoted include'"),
    ] {
        assert_eq!(refused(text), error, "{text:?}");
    }
}

#[test]
fn a_file_that_ends_after_a_key_is_named() {
    let environment = memory(&[], &[("d/c.conf", "a=1\nb ")]);
    let error = parse_file("d/c.conf", &environment).expect_err("no value");
    assert_eq!(error.to_string(), "config is invalid (d/c.conf:2:3)");
}

#[test]
fn values_know_where_they_stand() {
    let text = "first: 1\n second: [a,\n  {k: 2}]\nmap {\n\tinner: 3 }";
    let environment = memory(&[], &[("c.conf", text)]);
    let map = parse_file("c.conf", &environment).expect("valid");
    let place = |node: &Node| (node.pos.line, node.pos.column);
    let get = |map: &Map, key: &str| map.get(key).cloned().expect("there");
    // The reference counts the columns of the first line from 0.
    assert_eq!(place(&get(&map, "first")), (1, 0));
    assert_eq!(&*get(&map, "first").pos.file, "c.conf");
    assert_eq!(place(&get(&map, "second")), (2, 2));
    let Value::Array(items) = get(&map, "second").value else { panic!("no array") };
    let places: Vec<_> = items.iter().map(place).collect();
    assert_eq!(places, [(2, 11), (3, 9)]);
    let Value::Map(inner) = get(&map, "map").value else { panic!("no map") };
    assert_eq!(place(&get(&inner, "inner")), (5, 2));
}

#[test]
fn variables_come_from_the_innermost_block_then_outwards_then_the_environment() {
    let environment = memory(&[("E", "7"), ("L", "[a, b]"), ("I", "$E"), ("N", "")], &[]);
    let parse = |text: &str| {
        show_map(&parse_text(text, &environment).unwrap_or_else(|e| panic!("{text:?}: {e}")))
    };
    assert_eq!(parse("x=1\ny=$x"), "{x=1 y=1}");
    assert_eq!(parse("x=1\nm {x=2, y=$x}\nz=$x"), "{x=1 m={x=2 y=2} z=1}");
    assert_eq!(parse("x=1\nm {y=$x, x=2}"), "{x=1 m={y=1 x=2}}");
    assert_eq!(parse("x {a=1}\ny=$x"), "{x={a=1} y={a=1}}");
    assert_eq!(parse("x=[1,2]\ny=[$x, 3]"), "{x=[1 2] y=[[1 2] 3]}");
    assert_eq!(parse("y=$E"), "{y=7}");
    assert_eq!(parse("E=1\ny=$E"), "{E=1 y=1}");
    assert_eq!(parse("y=$L"), "{y=[\"a\" \"b\"]}");
    assert_eq!(parse("y=$I"), "{y=7}");
    assert_eq!(parse("y=$N"), "{y=\"\"}");
}

#[test]
fn a_used_variable_is_marked_and_others_are_not() {
    let map = parse_text("x=1\nz=2\ny=$x", &Memory::default()).expect("valid");
    let used = |key: &str| map.get(key).expect("there").used_as_variable;
    assert!(used("x") && !used("y") && !used("z"));
}

#[test]
fn variables_that_lead_nowhere_or_to_themselves() {
    let environment =
        memory(&[("A", "$B"), ("B", "$A"), ("Q", "\"abc"), ("S", "$S"), ("K", "$NOPE")], &[]);
    for (text, error) in [
        ("\ny=$NOPE", "variable reference for 'NOPE' on line 2 can not be found"),
        ("y=$z\nz=1", "variable reference for 'z' on line 1 can not be found"),
        ("m {x=1}\ny=$x", "variable reference for 'x' on line 2 can not be found"),
        (
            "y=$S",
            "variable reference for 'S' on line 1 could not be parsed: variable reference for 'S' \
             on line 1 could not be parsed: variable reference cycle for 'S'",
        ),
        (
            "y=$A",
            "variable reference for 'A' on line 1 could not be parsed: variable reference for 'B' \
             on line 1 could not be parsed: variable reference for 'A' on line 1 could not be \
             parsed: variable reference cycle for 'A'",
        ),
        (
            "y=$Q",
            "variable reference for 'Q' on line 1 could not be parsed: Parse error on line 1: \
             'Unexpected EOF.'",
        ),
        (
            "y=$K",
            "variable reference for 'K' on line 1 could not be parsed: variable reference for \
             'NOPE' on line 1 can not be found",
        ),
    ] {
        let found = parse_text(text, &environment).expect_err("must be refused").to_string();
        assert_eq!(found, error, "{text:?}");
    }
}

#[test]
fn includes() {
    let environment = memory(
        &[],
        &[
            ("d/main.conf", "a=1\ninclude ./sub/one.conf\nm { include 'sub/two.conf'; b=2 }\ne=$c"),
            ("d/sub/one.conf", "c=3\n  d=4\ninclude \"two.conf\"\n"),
            ("d/sub/two.conf", "x=$y\n"),
        ],
    );
    let error = parse_file("d/main.conf", &environment).expect_err("y is not set").to_string();
    assert_eq!(
        error,
        "error parsing include file './sub/one.conf', error parsing include file 'two.conf', \
         variable reference for 'y' on line 1 can not be found"
    );
    let mut environment = environment;
    environment.files.insert("d/sub/two.conf", "x=5\n".to_owned());
    let map = parse_file("d/main.conf", &environment).expect("valid");
    assert_eq!(show_map(&map), "{a=1 c=3 d=4 x=5 m={x=5 b=2} e=3}");
    let d = map.get("d").expect("there");
    assert_eq!((&*d.pos.file, d.pos.line, d.pos.column), ("d/sub/one.conf", 2, 3));
}

#[test]
fn an_include_that_cannot_be_read_or_never_ends() {
    let environment = memory(&[], &[("c.conf", "include c.conf\n"), ("b.conf", "include x")]);
    let error = parse_file("b.conf", &environment).expect_err("missing").to_string();
    assert_eq!(error, "error parsing include file 'x', open x: no such file or directory");
    let error = parse_file("c.conf", &environment).expect_err("endless").to_string();
    assert!(error.ends_with("includes are nested more than 32 deep"), "{error}");
}

#[test]
fn include_paths_are_relative_to_the_including_file() {
    for (including, name, path) in [
        ("c.conf", "a.conf", "a.conf"),
        ("./c.conf", "./a.conf", "a.conf"),
        ("d/c.conf", "../a.conf", "a.conf"),
        ("d/c.conf", "../../a.conf", "../a.conf"),
        ("/d/c.conf", "x/./a.conf", "/d/x/a.conf"),
        ("/d/c.conf", "/etc/a.conf", "/d/etc/a.conf"),
        ("/c.conf", "../../a.conf", "/a.conf"),
        ("c.conf", "", "."),
        ("", "a.conf", "a.conf"),
    ] {
        assert_eq!(include_path(including, name), path, "{including} {name}");
    }
}

#[test]
fn nesting_is_limited() {
    let nested = |depth: usize| format!("a = {}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse_text(&nested(99), &Memory::default()).is_ok());
    let error = refused(&nested(101));
    assert_eq!(error, "Parse error on line 1: 'Maps and arrays are nested more than 100 deep.'");
    // A text cannot exhaust the stack, however deep it nests.
    refused(&"[".repeat(1_000_000));
    refused(&format!("a = {}", "[".repeat(1_000_000)));
    refused(&"a {".repeat(1_000_000));
}

#[test]
fn variables_can_neither_nest_nor_multiply_without_limit() {
    let mut deep = String::from("x0 = [1]\n");
    let mut wide = String::from("x0 = [1, 2]\n");
    for i in 1..200 {
        deep.push_str(&format!("x{i} = [$x{}]\n", i - 1));
        wide.push_str(&format!("x{i} = [$x{0}, $x{0}]\n", i - 1));
    }
    let error = refused(&deep);
    assert!(error.contains("nested more than 100 deep"), "{error}");
    let error = refused(&wide);
    assert!(error.contains("Variables expand to more than 1000000 values."), "{error}");
}

#[test]
fn the_digest_is_that_of_the_reference() {
    // Printed by `nats-server -t` for this text.
    let map = parse_text("port: 4222\n", &Memory::default()).expect("valid");
    assert_eq!(
        digest(&map),
        "sha256:797533ebd0dfba7d34a0f9337ecf147e442871f48ddfd07ed751575a5737267e"
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_fail_badly(text in "[{}\\[\\]=:,;#/'\"()\\\\$ \n\ta-c0-9.k-]{0,80}") {
        let first = parse_text(&text, &Memory::default());
        prop_assert_eq!(first, parse_text(&text, &Memory::default()));
    }

    #[test]
    fn bytes_that_are_not_utf8_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        struct Bytes(Vec<u8>);
        impl Environment for Bytes {
            fn variable(&self, _: &str) -> Option<String> { None }
            fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
                if path == Path::new("c.conf") { Ok(self.0.clone()) } else { Err(io::ErrorKind::NotFound.into()) }
            }
        }
        let bytes = Bytes(bytes);
        prop_assert_eq!(parse_file("c.conf", &bytes), parse_file("c.conf", &bytes));
    }

    #[test]
    fn quoted_text_is_read_back(text in "[ -~]{0,40}") {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
        let map = parse_text(&format!("a = \"{escaped}\""), &Memory::default()).expect("valid");
        let node = map.get("a").expect("there");
        prop_assert_eq!(&node.value, &Value::Str(text.as_str().into()));
    }
}
