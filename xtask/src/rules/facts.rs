//! What one walk over a syntax tree collects: macros, strings, paths, calls, functions.
//!
//! Arguments of macros are no syntax tree, so their tokens are read for the same facts.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use super::stub_functions::{Shape, shape_of};

/// Everything that the rules ask of a file.
#[derive(Default)]
pub(crate) struct Facts {
    /// Macro calls, also those inside arguments of other macros.
    pub(crate) macros: Vec<MacroCall>,
    /// String literals outside attributes, and those in `#[error(..)]`.
    pub(crate) strings: Vec<(usize, String)>,
    /// Paths as they are written, `use` trees flattened, in `a::b::c` form.
    pub(crate) paths: Vec<(usize, String)>,
    /// Called functions and methods.
    pub(crate) calls: Vec<Call>,
    /// Lines of `#[ignore]`.
    pub(crate) ignores: Vec<usize>,
    /// Functions and methods with a body.
    pub(crate) functions: Vec<Function>,
}

/// One `name!(tokens)`.
pub(crate) struct MacroCall {
    /// Last part of its path.
    pub(crate) name: String,
    /// What stands between its brackets.
    pub(crate) tokens: TokenStream,
    /// Where its name stands.
    pub(crate) line: usize,
}

/// One call.
pub(crate) struct Call {
    /// The path of a function, or the bare name of a method.
    pub(crate) name: String,
    /// Which of the two it is.
    pub(crate) kind: CallKind,
    /// Where it stands.
    pub(crate) line: usize,
}

/// What is called.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallKind {
    /// `path(..)`.
    Function,
    /// `value.name(..)`.
    Method,
    /// `variable.expect(..);` as a whole statement: not that of an `Option`, whose value would be
    /// used, but a helper that demands something.
    Demand,
}

/// One function with a body.
pub(crate) struct Function {
    /// Its name.
    pub(crate) name: String,
    /// Line of `fn`.
    pub(crate) line: usize,
    /// Line of its closing brace.
    pub(crate) end_line: usize,
    /// Line of its opening brace.
    pub(crate) body_line: usize,
    /// Line of its first attribute or doc comment, else that of `fn`.
    pub(crate) head_line: usize,
    /// Where it is written.
    pub(crate) place: Place,
    /// Whether it is a `#[test]` of any kind.
    pub(crate) is_test: bool,
    /// Whether it is a test that must panic.
    pub(crate) should_panic: bool,
    /// Whether it takes `self`.
    pub(crate) has_receiver: bool,
    /// Number of its other arguments.
    pub(crate) arguments: usize,
    /// What its body looks like.
    pub(crate) shape: Shape,
}

/// Where a function is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Free, or in an `impl Type`.
    Own,
    /// In an `impl Trait for Type`, or a default in a trait: its arguments are given.
    Trait,
    /// Inside a macro's arguments.
    Macro,
}

/// Walks over a file.
pub(crate) fn collect(file: &syn::File) -> Facts {
    let mut collector = Collector { facts: Facts::default(), place: Place::Own };
    collector.visit_file(file);
    collector.facts
}

/// Whether attributes hold a `cfg` that is true in tests only.
pub(crate) fn is_cfg_test(attrs: &[syn::Attribute]) -> bool {
    attrs.iter().any(|attr| {
        let syn::Meta::List(list) = &attr.meta else { return false };
        list.path.is_ident("cfg") && asks_for_test(list.tokens.clone())
    })
}

fn asks_for_test(tokens: TokenStream) -> bool {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    trees.iter().enumerate().any(|(i, tree)| match tree {
        TokenTree::Ident(ident) => ident == "test",
        TokenTree::Group(group) => {
            let negated = i.checked_sub(1).and_then(|before| trees.get(before));
            let negated = matches!(negated, Some(TokenTree::Ident(ident)) if ident == "not");
            !negated && asks_for_test(group.stream())
        }
        _ => false,
    })
}

struct Collector {
    facts: Facts,
    place: Place,
}

fn joined(path: &syn::Path) -> String {
    path.segments.iter().map(|part| part.ident.to_string()).collect::<Vec<_>>().join("::")
}

fn last_part(attr: &syn::Attribute) -> String {
    attr.path().segments.last().map(|part| part.ident.to_string()).unwrap_or_default()
}

impl Collector {
    fn function(&mut self, attrs: &[syn::Attribute], sig: &syn::Signature, block: &syn::Block) {
        let braces = block.brace_token.span;
        let head = attrs.iter().map(|attr| attr.span().start().line).min();
        let line = sig.fn_token.span.start().line;
        self.facts.functions.push(Function {
            name: sig.ident.to_string(),
            line,
            end_line: braces.close().end().line,
            body_line: braces.open().start().line,
            head_line: head.unwrap_or(line).min(line),
            place: self.place,
            is_test: attrs.iter().any(|attr| last_part(attr) == "test"),
            should_panic: attrs.iter().any(|attr| attr.path().is_ident("should_panic")),
            has_receiver: sig.receiver().is_some(),
            arguments: sig.inputs.len() - usize::from(sig.receiver().is_some()),
            shape: shape_of(block),
        });
    }

    fn use_tree(&mut self, before: &str, tree: &syn::UseTree) {
        let join = |name: &syn::Ident| {
            if before.is_empty() { name.to_string() } else { format!("{before}::{name}") }
        };
        let (path, line) = match tree {
            syn::UseTree::Path(it) => {
                self.use_tree(&join(&it.ident), &it.tree);
                return;
            }
            syn::UseTree::Group(it) => {
                for tree in &it.items {
                    self.use_tree(before, tree);
                }
                return;
            }
            syn::UseTree::Name(it) => (join(&it.ident), it.ident.span().start().line),
            syn::UseTree::Rename(it) => (join(&it.ident), it.ident.span().start().line),
            syn::UseTree::Glob(it) => (before.to_owned(), it.star_token.span.start().line),
        };
        self.facts.paths.push((line, path));
    }

    /// Facts from tokens that have no syntax tree.
    fn tokens(&mut self, tokens: TokenStream) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        let mut i = 0;
        while let Some(tree) = trees.get(i) {
            match tree {
                TokenTree::Group(group) => {
                    let after_hash = i.checked_sub(1).and_then(|at| trees.get(at));
                    let is_attribute = group.delimiter() == Delimiter::Bracket
                        && matches!(after_hash, Some(TokenTree::Punct(p)) if p.as_char() == '#');
                    if is_attribute {
                        let first = group.stream().into_iter().next();
                        if matches!(first, Some(TokenTree::Ident(ident)) if ident == "ignore") {
                            self.facts.ignores.push(group.span().start().line);
                        }
                    } else {
                        self.tokens(group.stream());
                    }
                    i += 1;
                }
                TokenTree::Literal(literal) => {
                    if let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) {
                        self.facts.strings.push((literal.span().start().line, text.value()));
                    }
                    i += 1;
                }
                TokenTree::Ident(ident) if ident == "fn" => {
                    self.token_function(&trees, i);
                    i += 1;
                }
                TokenTree::Ident(_) => i = self.token_path(&trees, i),
                TokenTree::Punct(_) => i += 1,
            }
        }
    }

    /// A path in tokens, and what is done with it; returns where it ends.
    fn token_path(&mut self, trees: &[TokenTree], start: usize) -> usize {
        let mut parts = Vec::new();
        let mut i = start;
        let mut line = 0;
        while let Some(TokenTree::Ident(ident)) = trees.get(i) {
            line = ident.span().start().line;
            parts.push(ident.to_string());
            i += 1;
            let is_colon = |at: usize| matches!(trees.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':');
            if is_colon(i) && is_colon(i + 1) {
                i += 2;
            } else {
                break;
            }
        }
        let is_method = start.checked_sub(1).is_some_and(
            |at| matches!(trees.get(at), Some(TokenTree::Punct(p)) if p.as_char() == '.'),
        );
        match (trees.get(i), trees.get(i + 1)) {
            (Some(TokenTree::Punct(bang)), Some(TokenTree::Group(group)))
                if bang.as_char() == '!' =>
            {
                let name = parts.last().cloned().unwrap_or_default();
                self.facts.macros.push(MacroCall { name, tokens: group.stream(), line });
            }
            (Some(TokenTree::Group(group)), _) if group.delimiter() == Delimiter::Parenthesis => {
                let kind = if is_method { CallKind::Method } else { CallKind::Function };
                self.facts.calls.push(Call { name: parts.join("::"), kind, line });
            }
            _ => {}
        }
        self.facts.paths.push((line, parts.join("::")));
        i.max(start + 1)
    }

    /// `#[test] fn name(..) {..}` in tokens, as proptest writes its tests.
    fn token_function(&mut self, trees: &[TokenTree], at: usize) {
        let Some(TokenTree::Ident(name)) = trees.get(at + 1) else { return };
        let body = trees.iter().skip(at).find_map(|tree| match tree {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
            _ => None,
        });
        let Some(body) = body else { return };
        let attributes = trees.iter().take(at).rev().take_while(|tree| match tree {
            TokenTree::Punct(p) => p.as_char() == '#',
            TokenTree::Group(group) => group.delimiter() == Delimiter::Bracket,
            TokenTree::Ident(ident) => ident == "pub" || ident == "async",
            TokenTree::Literal(_) => false,
        });
        let is_test = attributes.into_iter().any(|tree| match tree {
            TokenTree::Group(group) => {
                let last = group.stream().into_iter().last();
                matches!(last, Some(TokenTree::Ident(ident)) if ident == "test")
            }
            _ => false,
        });
        let line = name.span().start().line;
        self.facts.functions.push(Function {
            name: name.to_string(),
            line,
            end_line: body.span_close().end().line,
            body_line: body.span_open().start().line,
            head_line: line,
            place: Place::Macro,
            is_test,
            should_panic: false,
            has_receiver: false,
            arguments: 0,
            shape: Shape::Other,
        });
    }
}

impl<'ast> Visit<'ast> for Collector {
    fn visit_attribute(&mut self, attr: &'ast syn::Attribute) {
        if attr.path().is_ident("ignore") {
            self.facts.ignores.push(attr.span().start().line);
        }
        if let syn::Meta::List(list) = &attr.meta
            && list.path.is_ident("error")
        {
            self.tokens(list.tokens.clone());
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        let outer = std::mem::replace(&mut self.place, Place::Own);
        self.function(&item.attrs, &item.sig, &item.block);
        visit::visit_item_fn(self, item);
        self.place = outer;
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let place = if item.trait_.is_some() { Place::Trait } else { Place::Own };
        let outer = std::mem::replace(&mut self.place, place);
        visit::visit_item_impl(self, item);
        self.place = outer;
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        let outer = std::mem::replace(&mut self.place, Place::Trait);
        visit::visit_item_trait(self, item);
        self.place = outer;
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.attrs, &item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.attrs, &item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        let name = mac.path.segments.last().map(|part| part.ident.to_string());
        self.facts.macros.push(MacroCall {
            name: name.unwrap_or_default(),
            tokens: mac.tokens.clone(),
            line: mac.path.span().start().line,
        });
        self.facts.paths.push((mac.path.span().start().line, joined(&mac.path)));
        self.tokens(mac.tokens.clone());
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.use_tree("", &item.tree);
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.facts.strings.push((text.span().start().line, text.value()));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.facts.paths.push((path.span().start().line, joined(path)));
        visit::visit_path(self, path);
    }

    fn visit_stmt(&mut self, statement: &'ast syn::Stmt) {
        if let syn::Stmt::Expr(syn::Expr::MethodCall(call), Some(_)) = statement
            && call.method == "expect"
            && matches!(call.receiver.as_ref(), syn::Expr::Path(_))
        {
            let line = call.method.span().start().line;
            self.facts.calls.push(Call { name: "expect".to_owned(), kind: CallKind::Demand, line });
        }
        visit::visit_stmt(self, statement);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let syn::Expr::Path(function) = call.func.as_ref() {
            let line = function.span().start().line;
            let name = joined(&function.path);
            self.facts.calls.push(Call { name, kind: CallKind::Function, line });
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let line = call.method.span().start().line;
        let name = call.method.to_string();
        self.facts.calls.push(Call { name, kind: CallKind::Method, line });
        visit::visit_expr_method_call(self, call);
    }
}
