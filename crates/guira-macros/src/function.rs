//! What `#[cached]` writes for a function.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Attribute, Ident, ItemFn};

use crate::attributes::Attributes;
use crate::settings;
use crate::signature::{Argument, Signature};

pub(crate) fn expand(function: &ItemFn, attributes: &Attributes, signature: &Signature) -> TokenStream {
    let name = &function.sig.ident;
    let Attrs {
        outside,
        inside,
        conditions,
    } = Attrs::of(&function.attrs);
    let visibility = &function.vis;
    let (asyncness, awaited) = asyncness(signature);
    let (parameters, output) = (signature.parameters(), &signature.output);
    let key = &signature.key;
    let tags = settings::tags(attributes);
    // Names of our own, which no argument can have.
    let own = |name| Ident::new(name, Span::mixed_site());
    let (encoded, value_name, observer) = (own("encoded"), own("value"), own("observer"));

    let owned_forms = signature.arguments.iter().map(Argument::owned_form);
    let owned = signature.arguments.iter().map(Argument::to_owned_form);
    // The tags first: they borrow what moves then.
    let tag_list = own("tags");
    let arguments = quote!({ let #tag_list = #tags; ((#(#owned,)*), #tag_list) });
    let (value, error) = (signature.value(), signature.error());
    let kind = if signature.is_async {
        quote!(AsyncMemoized)
    } else {
        quote!(Memoized)
    };
    let memoized = quote! {
        ::guira::#kind<((#(#owned_forms,)*), ::std::vec::Vec<::std::string::String>), #value, #error>
    };
    let given = signature.arguments.iter().map(Argument::as_given);
    let binders = signature.arguments.iter().map(|argument| &argument.name);
    let computed = signature.as_result(&quote!(#name::uncached(#(#given),*)#awaited));
    let computed = if signature.is_async {
        quote!(async move { #computed })
    } else {
        computed
    };
    let text = name.to_string();
    // Not `module_path!`: two functions of one name within two others are two.
    let builder = settings::builder(attributes, &value, &quote!(::core::any::type_name::<Self>()));
    let manner = signature.manner();
    let bound = quote!(let #encoded = ::guira::__private::Key::of(#key););
    let called = signature.returned(&quote!(#name::__memoized().by_key(&#encoded, || #arguments)#awaited));
    let refreshed =
        signature.returned(&quote!(#name::__memoized().refresh_by_key(&#encoded, || #arguments)#awaited));
    let in_background =
        signature.returned(&quote!(#name::__memoized().bg_by_key(&#encoded, || #arguments)#awaited));
    let (inputs, body) = (&function.sig.inputs, &function.block);
    let about = format!("What can be done with the memoized [`{text}()`] beside calling it.");
    let separator = (!signature.arguments.is_empty()).then(|| quote!(,));

    quote! {
        #(#outside)*
        #visibility #asyncness fn #name(#parameters) -> #output {
            #bound
            #called
        }

        #(#conditions)*
        #[doc = #about]
        #[allow(non_camel_case_types, dead_code, reason = "it stands beside the function of its name")]
        #visibility enum #name {}

        #(#conditions)*
        #[allow(
            dead_code, unused_variables, clippy::needless_pass_by_value,
            reason = "every companion has the function's arguments, and not each is called"
        )]
        impl #name {
            fn __memoized() -> &'static #memoized {
                static MEMOIZED: ::std::sync::OnceLock<#memoized> = ::std::sync::OnceLock::new();
                MEMOIZED.get_or_init(|| {
                    ::guira::#kind::in_manner(
                        #builder.build(),
                        #manner,
                        |((#(#binders,)*), _)| #computed,
                    )
                    .tags_of(|(_, tags)| ::std::clone::Clone::clone(tags))
                })
            }

            /// What is kept, without the function.
            #visibility fn memo() -> &'static ::guira::Memo<#value> {
                Self::__memoized()
            }

            /// The function itself: nothing is looked up or stored.
            #(#inside)*
            #visibility #asyncness fn uncached(#inputs) -> #output #body

            /// What is kept, be it stale; computes nothing.
            ///
            /// # Errors
            /// The arguments have no key, or there is no cache.
            #visibility fn peek(#parameters) -> ::core::result::Result<::core::option::Option<#value>, ::guira::Error> {
                Self::memo().peek(#key)
            }

            /// What is kept, and what is left of its life.
            ///
            /// # Errors
            /// As for `peek`.
            #visibility fn get_ttl(
                #parameters
            ) -> ::core::result::Result<::core::option::Option<(#value, ::guira::Ttl)>, ::guira::Error> {
                Self::memo().get_ttl(#key)
            }

            /// Whether something is kept, be it stale.
            ///
            /// # Errors
            /// As for `peek`.
            #visibility fn contains(#parameters) -> ::core::result::Result<bool, ::guira::Error> {
                Self::memo().contains(#key)
            }

            /// What the arguments are in the segment.
            ///
            /// # Errors
            /// As for `peek`.
            #visibility fn key(#parameters) -> ::core::result::Result<::guira::key::KeyBytes, ::guira::Error> {
                Self::memo().key(#key)
            }

            /// What is kept, be it stale; what is missing or stale is computed in the background.
            #visibility fn lazy(#parameters) -> ::core::option::Option<#value> {
                #bound
                Self::__memoized().lazy_by_key(&#encoded, || #arguments)
            }

            /// Computes now, and keeps the value.
            #visibility #asyncness fn refresh(#parameters) -> #output {
                #bound
                #refreshed
            }

            /// As the function, computing in the background.
            #visibility #asyncness fn bg(#parameters) -> #output {
                #bound
                #in_background
            }

            /// As `bg`, without waiting.
            #visibility fn future(
                #parameters
            ) -> ::guira::background::Computing<::core::result::Result<#value, #error>> {
                #bound
                Self::__memoized().future_by_key(&#encoded, || #arguments)
            }

            /// Keeps a value that was not computed here.
            ///
            /// # Errors
            /// As for `peek`, and if there is no room.
            #visibility fn put(
                #parameters #separator #value_name: #value
            ) -> ::core::result::Result<::guira::Put, ::guira::Error> {
                ::guira::__private::put(Self::memo(), #key, &#value_name, &#tags)
            }

            /// Keeps a value, if something is kept already.
            ///
            /// # Errors
            /// As for `put`.
            #visibility fn replace(
                #parameters #separator #value_name: #value
            ) -> ::core::result::Result<::guira::Replace, ::guira::Error> {
                ::guira::__private::replace(Self::memo(), #key, &#value_name, &#tags)
            }

            /// Forgets what is kept, and all computations that began before.
            ///
            /// # Errors
            /// As for `peek`.
            #visibility fn invalidate(#parameters) -> ::core::result::Result<bool, ::guira::Error> {
                Self::memo().invalidate(#key)
            }

            /// Makes what is kept stale.
            ///
            /// # Errors
            /// As for `peek`.
            #visibility fn expire(#parameters) -> ::core::result::Result<bool, ::guira::Error> {
                Self::memo().expire(#key)
            }

            /// Forgets all values of the function.
            ///
            /// # Errors
            /// There is no cache.
            #visibility fn clear() -> ::core::result::Result<(), ::guira::Error> {
                Self::memo().clear()
            }

            /// Hits, misses, computations, failures, of this process.
            #visibility fn stats() -> ::guira::MemoStats {
                Self::memo().stats()
            }

            /// Calls `observer` with each value that this process computes.
            #visibility fn on_value(
                #observer: impl ::core::ops::Fn(&#value) + ::core::marker::Send + ::core::marker::Sync + 'static
            ) {
                Self::memo().on_value(#observer);
            }
        }
    }
}

/// `async`, and `.await`.
pub(crate) fn asyncness(signature: &Signature) -> (Option<TokenStream>, Option<TokenStream>) {
    if signature.is_async {
        (Some(quote!(async)), Some(quote!(.await)))
    } else {
        (None, None)
    }
}

/// The function's own attributes, by where they belong.
pub(crate) struct Attrs<'a> {
    /// On what is called.
    pub(crate) outside: Vec<&'a Attribute>,
    /// On what was written.
    pub(crate) inside: Vec<&'a Attribute>,
    /// On everything.
    pub(crate) conditions: Vec<&'a Attribute>,
}

impl<'a> Attrs<'a> {
    pub(crate) fn of(attributes: &'a [Attribute]) -> Self {
        let is_one_of =
            |attribute: &Attribute, names: &[&str]| names.iter().any(|name| attribute.path().is_ident(name));
        let (outside, inside): (Vec<_>, Vec<_>) = attributes
            .iter()
            .partition(|attribute| is_one_of(attribute, &["doc", "must_use", "deprecated", "cfg"]));
        let conditions = outside
            .iter()
            .copied()
            .filter(|attribute| is_one_of(attribute, &["cfg"]))
            .collect();
        Self {
            outside,
            inside,
            conditions,
        }
    }
}
