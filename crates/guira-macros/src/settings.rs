//! The attributes as settings of a `MemoBuilder`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, Lit};

use crate::attributes::Attributes;

/// A builder of the memoized function; `name` is an expression of its name if none is given.
pub(crate) fn builder(attributes: &Attributes, value: &TokenStream, name: &TokenStream) -> TokenStream {
    let name = match &attributes.name {
        Some(name) => quote!(#name),
        None => quote!(#name),
    };
    let (cache, set_up) = match &attributes.cache {
        Some(Expr::Closure(set_up)) => (None, Some(set_up)),
        cache => (cache.as_ref().map(|cache| quote!(.cache(#cache))), None),
    };
    let ttl = attributes.ttl.as_ref().map(|ttl| match ttl {
        Expr::Closure(of_value) => quote! {
            .ttl_of(::guira::__private::of_value::<#value, _, _>(#of_value))
        },
        ttl => {
            let ttl = duration(ttl);
            quote!(.ttl(#ttl))
        }
    });
    let refresh_after = attributes.refresh_after.as_ref().map(|age| {
        let age = duration(age);
        quote!(.refresh_after(#age))
    });
    let cluster = attributes
        .cluster
        .as_ref()
        .map(|cluster| quote!(.cluster(#cluster)));
    let builder = quote! {
        ::guira::MemoBuilder::<#value>::new(#name) #cache #ttl #refresh_after #cluster
    };
    match set_up {
        Some(set_up) => quote!(::guira::__private::set_up::<#value>(#builder, #set_up)),
        None => builder,
    }
}

/// A duration: a literal such as "5m", read by the compiler, or any expression.
fn duration(expression: &Expr) -> TokenStream {
    let Expr::Lit(ExprLit {
        lit: Lit::Str(text), ..
    }) = expression
    else {
        return quote!(#expression);
    };
    let message = format!(
        "{:?} is no duration: write whole numbers with their units, such as 250ms, 5m or 1h30m",
        text.value()
    );
    let zero = format!(
        "{:?} is no time at all: leave the attribute out, or call the function itself",
        text.value()
    );
    quote_spanned! {expression.span()=>
        const {
            match ::guira::units::duration(#text) {
                ::core::result::Result::Ok(duration) if duration.is_zero() => ::core::panic!(#zero),
                ::core::result::Result::Ok(duration) => duration,
                ::core::result::Result::Err(_) => ::core::panic!(#message),
            }
        }
    }
}

/// The tags as a `Vec<String>`, of what is in scope in the function.
pub(crate) fn tags(attributes: &Attributes) -> TokenStream {
    match &attributes.tags {
        None => quote!(::std::vec::Vec::<::std::string::String>::new()),
        Some(Expr::Array(list)) => {
            let tags = list.elems.iter();
            quote!(::std::vec![#(::std::string::ToString::to_string(&(#tags))),*])
        }
        Some(tags) => quote! {
            ::core::iter::IntoIterator::into_iter(#tags)
                .map(|tag| ::std::string::ToString::to_string(&tag))
                .collect::<::std::vec::Vec<::std::string::String>>()
        },
    }
}
