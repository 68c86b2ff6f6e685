//! Functions that take arguments and do nothing with them.

use super::facts::{Function, Place};
use super::{Settings, Source};
use crate::finding::Finding;

/// Name of the rule about empty bodies.
pub(crate) const EMPTY: &str = "empty-function";
/// Name of the rule about constant results.
pub(crate) const CONSTANT: &str = "constant-function";

/// What a body looks like, statements that only discard a value (`let _ = x;`) left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// Nothing.
    Empty,
    /// `Ok(())` and nothing else.
    BareOk,
    /// A literal, a default, or these wrapped in `Ok`, `Some`, `Err`; nothing else.
    Constant,
    /// Anything else.
    Other,
}

/// Functions with an empty body that take arguments.
///
/// A trait dictates the arguments of its methods, so there an empty body is right when a comment
/// in it or above it says why.
pub(crate) fn empty_functions(source: &Source, _settings: &Settings) -> Vec<Finding> {
    let is_stub = |f: &Function| f.shape == Shape::Empty && (f.has_receiver || f.arguments > 0);
    findings(source, EMPTY, is_stub, |f| format!("`{}` does nothing with what it is given", f.name))
}

/// Functions that ignore every argument and return a constant.
///
/// A method without further arguments may well be a constant; only `Ok(())` is suspicious there,
/// and only where no trait asks for it.
pub(crate) fn constant_functions(source: &Source, _settings: &Settings) -> Vec<Finding> {
    let is_stub = |f: &Function| match f.shape {
        Shape::Constant => f.arguments > 0,
        Shape::BareOk => f.arguments > 0 || (f.has_receiver && f.place == Place::Own),
        Shape::Empty | Shape::Other => false,
    };
    findings(source, CONSTANT, is_stub, |f| {
        format!("`{}` ignores every argument and returns a constant", f.name)
    })
}

fn findings(
    source: &Source,
    rule: &str,
    is_stub: impl Fn(&Function) -> bool,
    text: impl Fn(&Function) -> String,
) -> Vec<Finding> {
    let stubs = source.facts.functions.iter().filter(|function| {
        is_stub(function)
            && !function.is_test
            && !source.in_test(function.line)
            && (function.place != Place::Trait || !is_explained(source, function))
    });
    let advice = |f: &Function| match f.place {
        Place::Trait => format!("{}: do the work, or say why in a comment in the body", text(f)),
        Place::Own | Place::Macro => format!("{}: do the work or remove it", text(f)),
    };
    stubs.map(|function| source.finding(function.line, rule, advice(function))).collect()
}

/// Whether a plain comment stands in the body or directly above the function.
fn is_explained(source: &Source, function: &Function) -> bool {
    let is_plain = |line: &str| {
        let is_doc = line.trim_start().starts_with("///");
        !is_doc && (line.contains("// ") || line.contains("/* "))
    };
    (function.body_line..=function.end_line).any(|line| is_plain(source.line(line)))
        || is_plain(source.line(function.head_line.saturating_sub(1)))
}

/// Judges a body.
pub(crate) fn shape_of(block: &syn::Block) -> Shape {
    let mut rest = block.stmts.iter().filter(|statement| !is_discard(statement));
    match (rest.next(), rest.next()) {
        (None, _) => Shape::Empty,
        (Some(syn::Stmt::Expr(expr, _)), None) => shape_of_result(expr),
        _ => Shape::Other,
    }
}

fn is_discard(statement: &syn::Stmt) -> bool {
    let syn::Stmt::Local(local) = statement else { return false };
    let is_plain = |expr: &syn::Expr| {
        let expr = if let syn::Expr::Reference(it) = expr { it.expr.as_ref() } else { expr };
        matches!(expr, syn::Expr::Path(_))
    };
    matches!(local.pat, syn::Pat::Wild(_))
        && local.init.as_ref().is_some_and(|init| match init.expr.as_ref() {
            syn::Expr::Tuple(tuple) => tuple.elems.iter().all(is_plain),
            other => is_plain(other),
        })
}

fn shape_of_result(expr: &syn::Expr) -> Shape {
    if let syn::Expr::Return(it) = expr {
        return it.expr.as_deref().map_or(Shape::Empty, shape_of_result);
    }
    if let syn::Expr::Call(call) = expr
        && called(call).as_deref() == Some("Ok")
        && matches!(call.args.first(), Some(syn::Expr::Tuple(tuple)) if tuple.elems.is_empty())
    {
        return Shape::BareOk;
    }
    if is_constant(expr) { Shape::Constant } else { Shape::Other }
}

fn is_constant(expr: &syn::Expr) -> bool {
    match expr {
        syn::Expr::Lit(_) => true,
        syn::Expr::Path(it) => it.path.is_ident("None"),
        syn::Expr::Unary(it) => is_constant(&it.expr),
        syn::Expr::Paren(it) => is_constant(&it.expr),
        syn::Expr::Reference(it) => is_constant(&it.expr),
        syn::Expr::Tuple(it) => it.elems.iter().all(is_constant),
        syn::Expr::Array(it) => it.elems.iter().all(is_constant),
        syn::Expr::Macro(it) => it.mac.path.is_ident("vec") && it.mac.tokens.is_empty(),
        syn::Expr::MethodCall(it) => {
            let name = it.method.to_string();
            let keeps = matches!(name.as_str(), "to_string" | "to_owned" | "into" | "to_vec");
            keeps && it.args.is_empty() && is_constant(&it.receiver)
        }
        syn::Expr::Call(it) => is_constant_call(it),
        _ => false,
    }
}

fn is_constant_call(call: &syn::ExprCall) -> bool {
    const EMPTY_MAKERS: &[&str] =
        &["Vec::new", "String::new", "HashMap::new", "BTreeMap::new", "BTreeSet::new"];
    let Some(name) = called(call) else { return false };
    let constant = call.args.iter().all(is_constant);
    match name.as_str() {
        "Ok" | "Some" | "String::from" | "Vec::from" | "Box::new" => constant,
        "Err" => {
            constant
                || matches!(call.args.first(), Some(syn::Expr::Path(it)) if it.path.segments.len() > 1)
        }
        _ if call.args.is_empty() => {
            name == "default"
                || name.ends_with("::default")
                || EMPTY_MAKERS.contains(&name.as_str())
        }
        _ => false,
    }
}

fn called(call: &syn::ExprCall) -> Option<String> {
    let syn::Expr::Path(function) = call.func.as_ref() else { return None };
    let parts: Vec<String> =
        function.path.segments.iter().map(|part| part.ident.to_string()).collect();
    Some(parts.join("::"))
}
