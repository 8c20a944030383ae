//! References and opaque types inside of types, by their tokens.

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::Type;

/// What a type has in it that hinders.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Borrowed {
    /// A reference, or a lifetime that is not `'static`.
    Reference,
    /// `impl Trait`.
    Opaque,
}

impl Borrowed {
    /// The first that `form` shows. References that are `'static` hinder only what is read back.
    pub(crate) fn within(form: &Type, is_read_back: bool) -> Option<Self> {
        Self::among(quote!(#form), is_read_back)
    }

    fn among(tokens: TokenStream, is_read_back: bool) -> Option<Self> {
        let mut tokens = tokens.into_iter().peekable();
        let mut is_function = false;
        while let Some(token) = tokens.next() {
            let mut names_function = false;
            match &token {
                // Arguments of functions are references to what comes later.
                TokenTree::Group(_) if is_function => {}
                TokenTree::Group(group) => {
                    if let Some(borrowed) = Self::among(group.stream(), is_read_back) {
                        return Some(borrowed);
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == '&' => {
                    let has_lifetime =
                        matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == '\'');
                    if is_read_back || !has_lifetime {
                        return Some(Self::Reference);
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                    if !matches!(tokens.peek(), Some(TokenTree::Ident(name)) if name == "static") {
                        return Some(Self::Reference);
                    }
                }
                TokenTree::Ident(name) if name == "impl" => return Some(Self::Opaque),
                TokenTree::Ident(name) => {
                    names_function = ["fn", "Fn", "FnMut", "FnOnce"]
                        .iter()
                        .any(|function| name == function);
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            is_function = names_function;
        }
        None
    }
}
