//! `#[cached]`: functions whose results are kept for all processes of a machine.
//!
//! Use it as `guira::cached`; it is documented there. What it writes are calls of `guira::Memoized`,
//! `guira::AsyncMemoized` and `guira::Memo`, which can be used without it.
//!
//! * `attributes`: what stands in the parentheses, each with the place of its mistakes;
//! * `signature`: the function, and what of it can be memoized;
//! * `borrowed`: references in its types, which cannot go to another thread;
//! * `settings`: the attributes as settings of a `MemoBuilder`;
//! * `function`: companions in an empty type of the function's name, which lies in the namespace of types and so does
//!   not meet the function;
//! * `method`: companions beside the method, with its name before theirs;
//! * `background`: those of them that compute in the background.

#![forbid(unsafe_code)]

mod attributes;
mod background;
mod borrowed;
mod function;
mod method;
mod settings;
mod signature;
#[cfg(test)]
mod signature_tests;

use proc_macro::TokenStream;
use syn::{ItemFn, parse_macro_input};

use crate::attributes::Attributes;
use crate::signature::Signature;

/// See `guira::cached`.
#[proc_macro_attribute]
pub fn cached(attributes: TokenStream, item: TokenStream) -> TokenStream {
    let attributes = parse_macro_input!(attributes as Attributes);
    let function = parse_macro_input!(item as ItemFn);
    let expanded = Signature::of(&function, &attributes).map(|signature| {
        if signature.is_associated {
            method::expand(&function, &attributes, &signature)
        } else {
            function::expand(&function, &attributes, &signature)
        }
    });
    // The function as it stands goes along with a mistake, so that its callers are not mistakes too.
    expanded
        .unwrap_or_else(|error| {
            let mistake = error.to_compile_error();
            quote::quote!(#function #mistake)
        })
        .into()
}
