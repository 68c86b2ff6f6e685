//! What the sources hold that the ledger speaks of: items by path, marks, tests and their claims.

use std::collections::BTreeSet;

use crate::finding::Finding;
use crate::rules::{self, STUB_RULES, Settings, Sites, Source, TestModules};
use crate::workspace::{Package, TargetKind};

/// Reads a file of the checkout by its path; nothing when it is not there.
pub(crate) type Reader<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The code of a workspace.
#[derive(Default)]
pub(crate) struct Code {
    /// Functions and methods.
    pub(crate) functions: Vec<Function>,
    /// Paths of types, traits, constants, macros.
    pub(crate) items: BTreeSet<String>,
    /// `mark::hit!`.
    pub(crate) marks: Vec<Mark>,
    /// `mark::check!`, one per id.
    pub(crate) claims: Vec<Mark>,
    /// Uses of what the macros of `mark` are made of.
    pub(crate) forgeries: Vec<Finding>,
}

/// A function or method.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    /// Its package.
    pub(crate) package: String,
    /// Its target, then modules, then the type if it is a method, then its name.
    pub(crate) path: String,
    /// Its file.
    pub(crate) file: String,
    /// Line of `fn`.
    pub(crate) line: usize,
    /// Line of its closing brace.
    pub(crate) end_line: usize,
    /// Whether it is a test.
    pub(crate) is_test: bool,
    /// For tests: how many assertion sites it has.
    pub(crate) sites: Sites,
    /// Why it is a stub.
    pub(crate) stub: Option<String>,
}

/// A mark or a claim in the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The ledger id.
    pub(crate) id: String,
    /// Its file.
    pub(crate) file: String,
    /// Its line.
    pub(crate) line: usize,
    /// Path of the function around it.
    pub(crate) function: Option<String>,
    /// Whether it stands in test code.
    pub(crate) in_test: bool,
}

impl Code {
    /// Reads the code of `packages`.
    pub(crate) fn read(packages: &[Package], read: Reader<'_>) -> Self {
        let mut code = Self::default();
        for package in packages {
            for target in &package.targets {
                let mut walk = Walk { code: &mut code, package: &package.name, read };
                let modules =
                    Module { path: target.name.clone(), in_test: target.kind == TargetKind::Test };
                walk.file(&target.root, Folder::Own, modules);
            }
        }
        code.marks.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        code.marks.dedup_by(|a, b| a.file == b.file && a.line == b.line && a.id == b.id);
        code
    }

    /// The functions called `path`.
    pub(crate) fn named<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Function> {
        self.functions.iter().filter(move |function| function.path == path)
    }

    /// The tests called `path`.
    pub(crate) fn tests<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Function> {
        self.named(path).filter(|function| function.is_test)
    }

    /// Whether there is anything called `path`.
    pub(crate) fn exists(&self, path: &str) -> bool {
        self.items.contains(path) || self.named(path).next().is_some()
    }

    /// Paths of the tests that claim `id`.
    pub(crate) fn claimants(&self, id: &str) -> Vec<&str> {
        let claims = self.claims.iter().filter(|claim| claim.id == id);
        let paths = claims.filter_map(|claim| claim.function.as_deref());
        let mut paths: Vec<&str> = paths.filter(|path| self.tests(path).next().is_some()).collect();
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    /// Tests whose name, without modules, is `name`.
    pub(crate) fn tests_by_name(&self, name: &str) -> Vec<&Function> {
        let wanted = |path: &str| path.rsplit("::").next() == Some(name);
        self.functions.iter().filter(|it| it.is_test && wanted(&it.path)).collect()
    }

    /// Whether no other test binary has a test of this name: then it can be left out by name.
    pub(crate) fn is_unique(&self, path: &str) -> bool {
        let inner = |path: &str| path.split_once("::").map(|(_, rest)| rest.to_owned());
        let wanted = inner(path);
        self.functions.iter().filter(|it| it.is_test && inner(&it.path) == wanted).count() == 1
    }
}

/// Where a module's files are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Folder {
    /// Beside its file: `lib.rs`, `main.rs`, `mod.rs`, the root of a target.
    Own,
    /// In a folder with the file's name.
    Named,
}

#[derive(Clone)]
struct Module {
    path: String,
    in_test: bool,
}

struct Walk<'a> {
    code: &'a mut Code,
    package: &'a str,
    read: Reader<'a>,
}

/// What is open while the items of one file are walked.
struct File<'a> {
    source: &'a Source,
    /// Functions that were given a path, by the line of `fn`.
    placed: BTreeSet<usize>,
    /// Line ranges of inline modules, outer ones first.
    inline: Vec<(usize, usize, Module)>,
}

impl Walk<'_> {
    fn file(&mut self, path: &str, folder: Folder, module: Module) {
        // The gate for the format of sources says so when one is missing or does not parse.
        let Some(text) = (self.read)(path) else { return };
        let Ok(syntax) = syn::parse_file(&text) else { return };
        let source = Source::of(path, &text, &syntax, &TestModules::default());
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let folder = match folder {
            Folder::Own => parent.to_owned(),
            Folder::Named => path.trim_end_matches(".rs").to_owned(),
        };
        let first = self.code.functions.len();
        let mut file = File { source: &source, placed: BTreeSet::new(), inline: Vec::new() };
        file.inline.push((0, usize::MAX, module.clone()));
        self.items(&mut file, &syntax.items, &folder, &module);
        self.macro_functions(&file);
        let stubs = stubs(&source);
        for function in self.code.functions.iter_mut().skip(first).filter(|it| it.file == path) {
            let lines = function.line..=function.end_line;
            function.stub =
                stubs.iter().find(|it| lines.contains(&it.line)).map(|it| it.advice.clone());
        }
        if self.package != "mark" && self.package != "xtask" {
            self.marks(&source, first, &module);
        }
    }

    fn items(&mut self, file: &mut File<'_>, items: &[syn::Item], folder: &str, module: &Module) {
        for item in items {
            match item {
                syn::Item::Mod(it) => self.module(file, it, folder, module),
                syn::Item::Fn(it) => self.function(file, &it.sig, &it.block, &module.path),
                syn::Item::Impl(it) => {
                    let syn::Type::Path(ty) = it.self_ty.as_ref() else { continue };
                    let name = ty.path.segments.last().map(|part| part.ident.to_string());
                    let owner = format!("{}::{}", module.path, name.unwrap_or_default());
                    for item in &it.items {
                        if let syn::ImplItem::Fn(it) = item {
                            self.function(file, &it.sig, &it.block, &owner);
                        }
                    }
                }
                syn::Item::Trait(it) => {
                    let owner = self.item(&it.ident, module);
                    for item in &it.items {
                        if let syn::TraitItem::Fn(it) = item
                            && let Some(block) = &it.default
                        {
                            self.function(file, &it.sig, block, &owner);
                        }
                    }
                }
                syn::Item::Struct(it) => drop(self.item(&it.ident, module)),
                syn::Item::Enum(it) => drop(self.item(&it.ident, module)),
                syn::Item::Union(it) => drop(self.item(&it.ident, module)),
                syn::Item::Type(it) => drop(self.item(&it.ident, module)),
                syn::Item::Const(it) => drop(self.item(&it.ident, module)),
                syn::Item::Static(it) => drop(self.item(&it.ident, module)),
                syn::Item::Macro(it) => {
                    if let Some(name) = &it.ident {
                        self.item(name, module);
                    }
                }
                _ => {}
            }
        }
    }

    fn item(&mut self, name: &syn::Ident, module: &Module) -> String {
        let path = format!("{}::{name}", module.path);
        self.code.items.insert(path.clone());
        path
    }

    fn module(&mut self, file: &mut File<'_>, it: &syn::ItemMod, folder: &str, outer: &Module) {
        let module = Module {
            path: format!("{}::{}", outer.path, it.ident),
            in_test: outer.in_test || rules::is_cfg_test(&it.attrs),
        };
        let folder_inside = format!("{folder}/{}", it.ident);
        if let Some((brace, items)) = &it.content {
            let lines = (brace.span.open().start().line, brace.span.close().end().line);
            file.inline.push((lines.0, lines.1, module.clone()));
            self.items(file, items, &folder_inside, &module);
            return;
        }
        if let Some(other) = stated_path(&it.attrs) {
            let parent = file.source.path.rsplit_once('/').map_or("", |(parent, _)| parent);
            self.file(&format!("{parent}/{other}"), Folder::Own, module);
            return;
        }
        let beside = format!("{folder_inside}.rs");
        if (self.read)(&beside).is_some() {
            self.file(&beside, Folder::Named, module);
        } else {
            self.file(&format!("{folder_inside}/mod.rs"), Folder::Own, module);
        }
    }

    fn function(
        &mut self,
        file: &mut File<'_>,
        sig: &syn::Signature,
        block: &syn::Block,
        owner: &str,
    ) {
        let line = sig.fn_token.span.start().line;
        let name = sig.ident.to_string();
        let facts = &file.source.facts.functions;
        let fact = facts.iter().find(|it| it.line == line && it.name == name);
        file.placed.insert(line);
        let is_test = fact.is_some_and(|it| it.is_test);
        let sites = fact.filter(|_| is_test).map(|it| rules::test_sites(file.source, it));
        self.code.functions.push(Function {
            package: self.package.to_owned(),
            path: format!("{owner}::{name}"),
            file: file.source.path.clone(),
            line,
            end_line: block.brace_token.span.close().end().line,
            is_test,
            sites: sites.unwrap_or_default(),
            stub: None,
        });
    }

    /// Tests inside of macros, as `proptest!` writes them.
    fn macro_functions(&mut self, file: &File<'_>) {
        for fact in file.source.facts.functions.iter().filter(|it| it.is_test) {
            if file.placed.contains(&fact.line) {
                continue;
            }
            let around =
                file.inline.iter().rfind(|(first, last, _)| (*first..=*last).contains(&fact.line));
            let Some((_, _, module)) = around else { continue };
            self.code.functions.push(Function {
                package: self.package.to_owned(),
                path: format!("{}::{}", module.path, fact.name),
                file: file.source.path.clone(),
                line: fact.line,
                end_line: fact.end_line,
                is_test: true,
                sites: rules::test_sites(file.source, fact),
                stub: None,
            });
        }
    }

    fn marks(&mut self, source: &Source, first: usize, module: &Module) {
        let own = self.code.functions.get(first..).unwrap_or_default();
        let own: Vec<&Function> = own.iter().filter(|it| it.file == source.path).collect();
        let around = |line: usize| {
            let holders = own.iter().filter(|it| (it.line..=it.end_line).contains(&line));
            holders.max_by_key(|it| it.line).map(|it| it.path.clone())
        };
        for call in &source.facts.macros {
            let ids = ledger_ids(&call.tokens.to_string());
            let list = match call.name.as_str() {
                "hit" => &mut self.code.marks,
                "check" => &mut self.code.claims,
                _ => continue,
            };
            list.extend(ids.into_iter().map(|id| Mark {
                id,
                file: source.path.clone(),
                line: call.line,
                function: around(call.line),
                in_test: module.in_test || source.in_test(call.line),
            }));
        }
        for (line, path) in &source.facts.paths {
            if path.starts_with("mark::Site") || path.starts_with("mark::Guard") {
                let advice =
                    format!("`{path}` is for the macros only: `mark::hit!`, `mark::check!`");
                self.code.forgeries.push(source.finding(*line, super::check::MARK, advice));
            }
        }
    }
}

/// Ids in the arguments of a macro; none when it is another macro of that name.
fn ledger_ids(tokens: &str) -> Vec<String> {
    let parts: Vec<&str> =
        tokens.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    let is_id = |part: &&str| {
        let digits = part.strip_prefix('F');
        digits.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    if parts.iter().all(is_id) {
        parts.into_iter().map(str::to_owned).collect()
    } else {
        Vec::new()
    }
}

/// The file that `#[path = ".."]` names.
fn stated_path(attrs: &[syn::Attribute]) -> Option<String> {
    attrs.iter().find_map(|attr| match &attr.meta {
        syn::Meta::NameValue(it) if it.path.is_ident("path") => match &it.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    })
}

/// Stubs, allowed or not.
fn stubs(source: &Source) -> Vec<Finding> {
    let settings = Settings::default();
    STUB_RULES.iter().flat_map(|rule| (rule.check)(source, &settings)).collect()
}
