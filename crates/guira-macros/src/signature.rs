//! The function, and what of it can be memoized.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, FnArg, GenericArgument, GenericParam, Ident, ItemFn, Pat, PathArguments, Receiver,
    Result, ReturnType, Type, TypeReference,
};

use crate::attributes::Attributes;
use crate::borrowed::Borrowed;

/// What is memoized of a function.
pub(crate) struct Signature {
    pub(crate) receiver: Option<Receiver>,
    /// Of a type: a method, or a function that says `Self`.
    pub(crate) is_associated: bool,
    pub(crate) arguments: Vec<Argument>,
    /// What it returns.
    pub(crate) output: Type,
    is_result: bool,
    /// Value and error, where it names both.
    parts: Option<(Type, Type)>,
    pub(crate) is_async: bool,
    /// An expression of the key, of what is in scope in the function.
    pub(crate) key: TokenStream,
}

pub(crate) struct Argument {
    pub(crate) name: Ident,
    pub(crate) form: Type,
    /// What it refers to, if it is a reference.
    referent: Option<Type>,
}

impl Signature {
    pub(crate) fn of(function: &ItemFn, attributes: &Attributes) -> Result<Self> {
        let signature = &function.sig;
        let refuse = |at: &dyn Spanned, message: &str| Err(Error::new(at.span(), message));
        if let Some(parameter) = signature.generics.params.first() {
            let message = match parameter {
                GenericParam::Lifetime(_) => {
                    "a memoized function has no parameters of lifetimes: leave them out, each reference has its own"
                }
                GenericParam::Type(_) | GenericParam::Const(_) => {
                    "a memoized function has no parameters of types or constants, for its results are kept under its name in all processes, and a type has no name that is sure to be the same in all: memoize a function of definite types for each (it may call this one), or give each a name of its own by `guira.memoize(name).function(..)`"
                }
            };
            return refuse(parameter, message);
        }
        if let Some(token) = &signature.unsafety {
            return refuse(
                token,
                "an unsafe function cannot be memoized: wrap it in a safe one",
            );
        }
        if let Some(token) = &signature.constness {
            return refuse(token, "a const function cannot be memoized");
        }
        if let Some(token) = &signature.abi {
            return refuse(token, "only functions of Rust's own ABI can be memoized");
        }
        let output = match &signature.output {
            ReturnType::Default => {
                return refuse(
                    &signature.ident,
                    "it returns nothing, so there is nothing to keep",
                );
            }
            ReturnType::Type(_, output) => (**output).clone(),
        };
        if has_self_type(output.to_token_stream()) {
            return refuse(
                &output,
                "what is kept lies in a static, where `Self` is not known: write the type's name",
            );
        }
        match &output {
            Type::ImplTrait(_) => {
                return refuse(
                    &output,
                    "a kept value has a definite type: name it, or write `async fn`",
                );
            }
            Type::Reference(_) => {
                return refuse(
                    &output,
                    "a kept value is returned by value: it comes from shared memory",
                );
            }
            _ => {}
        }
        let mut receiver = None;
        let mut arguments = Vec::new();
        for input in &signature.inputs {
            match input {
                FnArg::Receiver(this) => {
                    if this.mutability.is_some() && this.reference.is_some() {
                        return refuse(this, "a method that changes `self` cannot be memoized");
                    }
                    // Only the body changes it.
                    receiver = Some(Receiver {
                        mutability: None,
                        ..this.clone()
                    });
                }
                FnArg::Typed(argument) => {
                    if let Some(condition) = argument.attrs.iter().find(|attribute| is_condition(attribute)) {
                        let message = "an argument that is there on a condition cannot be memoized: write two functions, each on a condition";
                        return refuse(condition, message);
                    }
                    arguments.push(Argument::of(&argument.pat, &argument.ty)?);
                }
            }
        }
        if receiver.is_none() || signature.asyncness.is_none() {
            arguments.iter().try_for_each(Argument::check_can_be_owned)?;
        }
        let parts = parts(&output);
        let value = parts.as_ref().map_or(&output, |(value, _)| value);
        if let Some(borrowed) = Borrowed::within(value, true) {
            let message = match borrowed {
                Borrowed::Reference => "a kept value is returned by value: it comes from shared memory",
                Borrowed::Opaque => "a kept value has a definite type: name it",
            };
            return refuse(value, message);
        }
        let key = key(&arguments, receiver.as_ref(), attributes)?;
        Ok(Self {
            is_associated: receiver.is_some() || says_self_type(function, attributes),
            receiver,
            arguments,
            is_result: is_result(&output),
            parts,
            output,
            is_async: signature.asyncness.is_some(),
            key,
        })
    }

    /// The type of the values that are kept.
    pub(crate) fn value(&self) -> TokenStream {
        let output = &self.output;
        if let Some((value, _)) = &self.parts {
            quote!(#value)
        } else if self.is_result {
            quote!(<#output as ::guira::__private::Outcome>::Value)
        } else {
            quote!(#output)
        }
    }

    /// The type of its errors.
    pub(crate) fn error(&self) -> TokenStream {
        let output = &self.output;
        if let Some((_, error)) = &self.parts {
            quote!(#error)
        } else if self.is_result {
            quote!(<#output as ::guira::__private::Outcome>::Error)
        } else {
            quote!(::core::convert::Infallible)
        }
    }

    /// How errors travel.
    pub(crate) fn manner(&self) -> TokenStream {
        if !self.is_result {
            return quote!(::guira::__private::Manner::infallible());
        }
        let error = self.error();
        quote! {
            ::guira::__private::Manner::of(
                |failure| {
                    use ::guira::__private::{AdoptFailure as _, AdoptNothing as _};
                    (&&::guira::__private::Of::<#error>::NEW).adopt(failure)
                },
                |error: &#error| {
                    use ::guira::__private::{DescribeByDebug as _, DescribeByDisplay as _, DescribeByType as _};
                    (&&&::guira::__private::Of::<#error>::NEW).describe(error)
                },
            )
        }
    }

    /// Turns a `Result<value, error>` into what the function returns.
    pub(crate) fn returned(&self, result: &TokenStream) -> TokenStream {
        if self.is_result {
            result.clone()
        } else {
            quote! {{
                let ::core::result::Result::Ok(value) = #result;
                value
            }}
        }
    }

    /// The other way round.
    pub(crate) fn as_result(&self, returned: &TokenStream) -> TokenStream {
        if self.is_result {
            returned.clone()
        } else {
            quote!(::core::result::Result::Ok(#returned))
        }
    }

    /// `a: A, b: B`
    pub(crate) fn parameters(&self) -> TokenStream {
        let parameters = self
            .arguments
            .iter()
            .map(|Argument { name, form, .. }| quote!(#name: #form));
        quote!(#(#parameters),*)
    }

    /// `a, b`
    pub(crate) fn names(&self) -> TokenStream {
        let names = self.arguments.iter().map(|argument| &argument.name);
        quote!(#(#names),*)
    }
}

impl Argument {
    fn of(pattern: &Pat, form: &Type) -> Result<Self> {
        let Pat::Ident(pattern) = pattern else {
            let message = "an argument of a memoized function has a name: take it apart in the body";
            return Err(Error::new(pattern.span(), message));
        };
        let referent = match form {
            Type::Reference(reference) if reference.mutability.is_some() => {
                let message = "a function that changes its arguments cannot be memoized";
                return Err(Error::new(form.span(), message));
            }
            Type::Reference(reference) if is_static(reference) => None,
            Type::Reference(reference) => Some((*reference.elem).clone()),
            Type::ImplTrait(_) => {
                let message = "an argument of a memoized function has a definite type";
                return Err(Error::new(form.span(), message));
            }
            _ => None,
        };
        Ok(Self {
            name: pattern.ident.clone(),
            form: form.clone(),
            referent,
        })
    }

    /// It goes to another thread if it is computed in the background.
    fn check_can_be_owned(&self) -> Result<()> {
        let within = self.referent.as_ref().unwrap_or(&self.form);
        match Borrowed::within(within, false) {
            None => Ok(()),
            Some(Borrowed::Reference) => {
                let message = "a reference within an argument cannot be kept for the background: take a reference to all of it, such as &[String], or what owns it, such as Option<String>";
                Err(Error::new(self.form.span(), message))
            }
            Some(Borrowed::Opaque) => {
                let message = "an argument of a memoized function has a definite type";
                Err(Error::new(self.form.span(), message))
            }
        }
    }

    /// The type in which it goes to another thread.
    pub(crate) fn owned_form(&self) -> TokenStream {
        let form = &self.form;
        match &self.referent {
            Some(referent) => quote!(<#referent as ::std::borrow::ToOwned>::Owned),
            None => quote!(#form),
        }
    }

    /// That it can go to another thread.
    pub(crate) fn background_bound(&self) -> TokenStream {
        let form = &self.form;
        match &self.referent {
            Some(referent) => quote! {
                for<'background> #referent: ::std::borrow::ToOwned<Owned: ::core::marker::Send + 'static>
            },
            None => quote!(for<'background> #form: ::core::marker::Send + 'static),
        }
    }

    /// Made from the argument.
    pub(crate) fn to_owned_form(&self) -> TokenStream {
        let name = &self.name;
        match &self.referent {
            Some(referent) => quote!(<#referent as ::std::borrow::ToOwned>::to_owned(#name)),
            None => quote!(#name),
        }
    }

    /// And back.
    pub(crate) fn as_given(&self) -> TokenStream {
        let name = &self.name;
        let owned = self.owned_form();
        match &self.referent {
            Some(referent) => quote!(<#owned as ::core::borrow::Borrow<#referent>>::borrow(&#name)),
            None => quote!(#name),
        }
    }
}

fn is_static(reference: &TypeReference) -> bool {
    reference
        .lifetime
        .as_ref()
        .is_some_and(|lifetime| lifetime.ident == "static")
}

fn is_condition(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr")
}

/// What the key is made of: one thing as it is, several as a tuple.
fn key(arguments: &[Argument], receiver: Option<&Receiver>, attributes: &Attributes) -> Result<TokenStream> {
    if let Some(key) = &attributes.key {
        return Ok(quote!(&(#key)));
    }
    let skipped = attributes.skip.as_deref().unwrap_or(&[]);
    for name in skipped {
        let is_known = if name == "self" {
            receiver.is_some()
        } else if name == "Self" {
            true
        } else {
            arguments.iter().any(|argument| argument.name == *name)
        };
        if !is_known {
            let message = format!("the function has no argument `{name}` to skip");
            return Err(Error::new(name.span(), message));
        }
    }
    if let Some(receiver) = receiver
        && !skipped.iter().any(|name| name == "self")
    {
        let message =
            "say what of `self` the result depends on: `skip(self)` if nothing, else `key = (self.id, ..)`";
        return Err(Error::new(receiver.span(), message));
    }
    let kept: Vec<&Ident> = arguments
        .iter()
        .map(|argument| &argument.name)
        .filter(|name| !skipped.contains(name))
        .collect();
    if let [_, .., too_many] = kept[..]
        && kept.len() > 12
    {
        let message = "more than twelve arguments make no key: say it by `key = ..`";
        return Err(Error::new(too_many.span(), message));
    }
    Ok(match kept[..] {
        [] => quote!(&()),
        [name] => quote!(&#name),
        _ => quote!(&(#(&#kept),*)),
    })
}

/// Whether it says `Self`, or its attributes do: then it stands in an `impl`.
fn says_self_type(function: &ItemFn, attributes: &Attributes) -> bool {
    let skips = attributes.skip.iter().flatten().any(|name| name == "Self");
    let expressions = [
        &attributes.cache,
        &attributes.key,
        &attributes.ttl,
        &attributes.tags,
    ];
    skips
        || has_self_type(function.sig.to_token_stream())
        || has_self_type(function.block.to_token_stream())
        || expressions
            .into_iter()
            .any(|expression| has_self_type(expression.to_token_stream()))
}

fn has_self_type(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "Self",
        TokenTree::Group(group) => has_self_type(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// By its name: aliases such as `io::Result<T>` too.
fn is_result(output: &Type) -> bool {
    match output {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|segment| segment.ident == "Result"),
        Type::Paren(inner) => is_result(&inner.elem),
        Type::Group(inner) => is_result(&inner.elem),
        _ => false,
    }
}

/// `V` and `E` of a `Result<V, E>`; of an alias only a trait knows them.
fn parts(output: &Type) -> Option<(Type, Type)> {
    let Type::Path(path) = output else { return None };
    let segment = path
        .path
        .segments
        .last()
        .filter(|segment| segment.ident == "Result")?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    let mut types = arguments.args.iter().map(|argument| match argument {
        GenericArgument::Type(form) => Some(form.clone()),
        _ => None,
    });
    match (types.next(), types.next(), types.next()) {
        (Some(Some(value)), Some(Some(error)), None) => Some((value, error)),
        _ => None,
    }
}

/// The name of a companion of a method.
pub(crate) fn companion(method: &Ident, name: &str) -> Ident {
    format_ident!("{method}_{name}")
}
