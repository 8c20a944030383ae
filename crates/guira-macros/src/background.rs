//! The companions of a method or associated function that compute in the background.
//!
//! They take a clone of what `self` borrows along, so they are there where that can be cloned and sent to another thread.
//! That is said as a bound of the companion, not of the method: `for<'background>` keeps the compiler from asking for
//! it where nobody calls the companion. An async method has none: its future is spawned as it is.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::{ItemFn, Type};

use crate::signature::{Argument, Signature, companion};

pub(crate) fn companions(
    function: &ItemFn,
    signature: &Signature,
    memo: &Ident,
    uncached: &Ident,
    bound: &TokenStream,
    tags: &TokenStream,
) -> Vec<TokenStream> {
    if signature.is_async {
        return Vec::new();
    }
    let name = &function.sig.ident;
    let visibility = &function.vis;
    let (parameters, output) = (signature.parameters(), &signature.output);
    let (value, error, manner) = (signature.value(), signature.error(), signature.manner());
    let own = |name| Ident::new(name, Span::mixed_site());
    let (encoded, this, tag_list) = (own("encoded"), own("this"), own("tags"));

    let receiver = signature.receiver.as_ref().map(|receiver| quote!(#receiver,));
    let (cloned, lent, this_bound) = match &signature.receiver {
        None => (None, None, None),
        Some(receiver) => match &*receiver.ty {
            Type::Reference(reference) => {
                let form = &reference.elem;
                (
                    Some(quote!(let #this = <#form as ::core::clone::Clone>::clone(self);)),
                    Some(quote!(&#this,)),
                    Some(quote!(
                        for<'background> #form: ::core::clone::Clone + ::core::marker::Send + 'static,
                    )),
                )
            }
            form => (
                Some(quote!(let #this = self;)),
                Some(quote!(#this,)),
                Some(quote!(for<'background> #form: ::core::marker::Send + 'static,)),
            ),
        },
    };
    let names: Vec<_> = signature
        .arguments
        .iter()
        .map(|argument| &argument.name)
        .collect();
    let owned = signature.arguments.iter().map(Argument::to_owned_form);
    let given = signature.arguments.iter().map(Argument::as_given);
    let argument_bounds = signature.arguments.iter().map(Argument::background_bound);
    let bounds = quote! {
        where
            #this_bound
            #(#argument_bounds,)*
            for<'background> #value: ::core::marker::Send + 'static,
            for<'background> #error: ::core::marker::Send + 'static,
    };
    let computed = signature.as_result(&quote!(Self::#uncached(#lent #(#given),*)));
    let how = quote! {
        || {
            let #tag_list = #tags;
            #cloned
            #(let #names = #owned;)*
            (#tag_list, move || #computed)
        }
    };
    let [lazy, bg, future] = ["lazy", "bg", "future"].map(|suffix| companion(name, suffix));
    let returned = signature.returned(&quote!(
        Self::#memo().future_in_background(&#encoded, #manner, #how).wait()
    ));
    vec![
        quote! {
            /// What is kept, be it stale; what is missing or stale is computed in the background.
            #visibility fn #lazy(#receiver #parameters) -> ::core::option::Option<#value> #bounds {
                #bound
                Self::#memo().lazy_in_background(&#encoded, #manner, #how)
            }
        },
        quote! {
            /// As the method, computing in the background.
            #visibility fn #bg(#receiver #parameters) -> #output #bounds {
                #bound
                #returned
            }
        },
        quote! {
            /// As `bg`, without waiting.
            #visibility fn #future(
                #receiver #parameters
            ) -> ::guira::background::Computing<::core::result::Result<#value, #error>> #bounds {
                #bound
                Self::#memo().future_in_background(&#encoded, #manner, #how)
            }
        },
    ]
}
