//! What `#[cached]` writes for a method: itself, and its companions beside it.
//!
//! A method borrows `self`, so a call of it sends nothing to the background: a stale value is refreshed by the one
//! caller that leads, while the others have it. Companions that compute in the background are in [`background`].

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Ident, ItemFn};

use crate::attributes::Attributes;
use crate::background;
use crate::function::{Attrs, asyncness};
use crate::settings;
use crate::signature::{Signature, companion};

pub(crate) fn expand(function: &ItemFn, attributes: &Attributes, signature: &Signature) -> TokenStream {
    let name = &function.sig.ident;
    let Attrs {
        outside,
        inside,
        conditions,
    } = Attrs::of(&function.attrs);
    let visibility = &function.vis;
    let (asyncness, awaited) = asyncness(signature);
    let (parameters, names, output) = (signature.parameters(), signature.names(), &signature.output);
    let receiver = signature.receiver.as_ref().map(|receiver| quote!(#receiver,));
    let key = &signature.key;
    let tags = settings::tags(attributes);
    let own = |name| Ident::new(name, Span::mixed_site());
    let (encoded, value_name, observer) = (own("encoded"), own("value"), own("observer"));
    let tag_list = own("tags");
    let (value, manner) = (signature.value(), signature.manner());
    let text = name.to_string();
    let builder = settings::builder(
        attributes,
        &value,
        &quote!(&::std::format!("{}::{}", ::core::any::type_name::<Self>(), #text)),
    );
    let of = |suffix| companion(name, suffix);
    let [memo, uncached, peek, get_ttl, contains, key_of] =
        ["memo", "uncached", "peek", "get_ttl", "contains", "key"].map(of);
    let [refresh, put, replace, invalidate, expire, clear, stats, on_value] = [
        "refresh",
        "put",
        "replace",
        "invalidate",
        "expire",
        "clear",
        "stats",
        "on_value",
    ]
    .map(of);

    let this = match &signature.receiver {
        Some(_) => quote!(self.),
        None => quote!(Self::),
    };
    let computed = signature.as_result(&quote!(#this #uncached(#names)#awaited));
    let computed = if signature.is_async {
        quote!(move || async move { #computed })
    } else {
        quote!(move || #computed)
    };
    let how = quote!(|| { let #tag_list = #tags; (#tag_list, #computed) });
    let (call, renew) = if signature.is_async {
        (quote!(call_in_place_async), quote!(refresh_in_place_async))
    } else {
        (quote!(call_in_place), quote!(refresh_in_place))
    };
    let called = signature.returned(&quote!(Self::#memo().#call(&#encoded, #manner, #how)#awaited));
    let refreshed = signature.returned(&quote!(Self::#memo().#renew(&#encoded, #manner, #how)#awaited));
    let bound = quote!(let #encoded = ::guira::__private::Key::of(#key););
    let (inputs, body) = (&function.sig.inputs, &function.block);
    let quiet = quote! {
        #(#conditions)*
        #[allow(
            dead_code, unused_variables, clippy::needless_pass_by_value,
            reason = "every companion has the method's arguments, and not each is called"
        )]
    };
    let in_background = background::companions(function, signature, &memo, &uncached, &bound, &tags);
    let in_background = in_background.iter().map(|companion| quote!(#quiet #companion));
    let separator = (!signature.arguments.is_empty()).then(|| quote!(,));
    let about = |what: &str| format!("{what} See [`{text}`](Self::{text}).");
    let (about_memo, about_uncached) = (
        about("What is kept, without the method."),
        about("The method itself: nothing is looked up or stored."),
    );
    let (about_peek, about_ttl) = (
        about("What is kept, be it stale; computes nothing."),
        about("What is kept, and what is left of its life."),
    );
    let (about_contains, about_key) = (
        about("Whether something is kept, be it stale."),
        about("What the arguments are in the segment."),
    );
    let (about_refresh, about_put) = (
        about("Computes now, and keeps the value."),
        about("Keeps a value that was not computed here."),
    );
    let (about_replace, about_invalidate) = (
        about("Keeps a value, if something is kept already."),
        about("Forgets what is kept, and all computations that began before."),
    );
    let (about_expire, about_clear) = (
        about("Makes what is kept stale."),
        about("Forgets all values of the method, of whatever `self`."),
    );
    let (about_stats, about_on_value) = (
        about("Hits, misses, computations, failures, of this process."),
        about("Calls the observer with each value that this process computes."),
    );

    quote! {
        #(#outside)*
        #visibility #asyncness fn #name(#receiver #parameters) -> #output {
            #bound
            #called
        }

        #[doc = #about_memo]
        #quiet
        #visibility fn #memo() -> &'static ::guira::Memo<#value> {
            static MEMOS: ::guira::__private::MethodMemos<#value> = ::guira::__private::MethodMemos::new();
            MEMOS.of_type(::core::any::type_name::<Self>(), || #builder.build())
        }

        #[doc = #about_uncached]
        #(#conditions)*
        #(#inside)*
        #visibility #asyncness fn #uncached(#inputs) -> #output #body

        #[doc = #about_peek]
        #quiet
        #visibility fn #peek(
            #receiver #parameters
        ) -> ::core::result::Result<::core::option::Option<#value>, ::guira::Error> {
            Self::#memo().peek(#key)
        }

        #[doc = #about_ttl]
        #quiet
        #visibility fn #get_ttl(
            #receiver #parameters
        ) -> ::core::result::Result<::core::option::Option<(#value, ::guira::Ttl)>, ::guira::Error> {
            Self::#memo().get_ttl(#key)
        }

        #[doc = #about_contains]
        #quiet
        #visibility fn #contains(#receiver #parameters) -> ::core::result::Result<bool, ::guira::Error> {
            Self::#memo().contains(#key)
        }

        #[doc = #about_key]
        #quiet
        #visibility fn #key_of(
            #receiver #parameters
        ) -> ::core::result::Result<::guira::key::KeyBytes, ::guira::Error> {
            Self::#memo().key(#key)
        }

        #[doc = #about_refresh]
        #quiet
        #visibility #asyncness fn #refresh(#receiver #parameters) -> #output {
            #bound
            #refreshed
        }

        #(#in_background)*

        #[doc = #about_put]
        #quiet
        #visibility fn #put(
            #receiver #parameters #separator #value_name: #value
        ) -> ::core::result::Result<::guira::Put, ::guira::Error> {
            ::guira::__private::put(Self::#memo(), #key, &#value_name, &#tags)
        }

        #[doc = #about_replace]
        #quiet
        #visibility fn #replace(
            #receiver #parameters #separator #value_name: #value
        ) -> ::core::result::Result<::guira::Replace, ::guira::Error> {
            ::guira::__private::replace(Self::#memo(), #key, &#value_name, &#tags)
        }

        #[doc = #about_invalidate]
        #quiet
        #visibility fn #invalidate(#receiver #parameters) -> ::core::result::Result<bool, ::guira::Error> {
            Self::#memo().invalidate(#key)
        }

        #[doc = #about_expire]
        #quiet
        #visibility fn #expire(#receiver #parameters) -> ::core::result::Result<bool, ::guira::Error> {
            Self::#memo().expire(#key)
        }

        #[doc = #about_clear]
        #quiet
        #visibility fn #clear() -> ::core::result::Result<(), ::guira::Error> {
            Self::#memo().clear()
        }

        #[doc = #about_stats]
        #quiet
        #visibility fn #stats() -> ::guira::MemoStats {
            Self::#memo().stats()
        }

        #[doc = #about_on_value]
        #quiet
        #visibility fn #on_value(
            #observer: impl ::core::ops::Fn(&#value) + ::core::marker::Send + ::core::marker::Sync + 'static
        ) {
            Self::#memo().on_value(#observer);
        }
    }
}
