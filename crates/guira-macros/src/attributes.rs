//! What stands in the parentheses of `#[cached(..)]`.

use proc_macro2::Span;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, Ident, LitStr, Result, Token, parenthesized};

const KNOWN: &str = "cache, name, key, skip, ttl, refresh_after, tags and cluster";

/// The attributes, each at most once.
#[derive(Default)]
pub(crate) struct Attributes {
    pub(crate) cache: Option<Expr>,
    pub(crate) name: Option<LitStr>,
    pub(crate) key: Option<Expr>,
    pub(crate) skip: Option<Vec<Ident>>,
    pub(crate) ttl: Option<Expr>,
    pub(crate) refresh_after: Option<Expr>,
    pub(crate) tags: Option<Expr>,
    pub(crate) cluster: Option<Expr>,
}

impl Parse for Attributes {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut attributes = Self::default();
        while !input.is_empty() {
            attributes.parse_one(input)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        if let (Some(key), Some(skip)) = (&attributes.key, &attributes.skip) {
            let at = skip
                .first()
                .map_or_else(|| syn::spanned::Spanned::span(key), Ident::span);
            let message = "`key` says all that the key is made of: leave `skip` out";
            return Err(Error::new(at, message));
        }
        Ok(attributes)
    }
}

impl Attributes {
    fn parse_one(&mut self, input: ParseStream<'_>) -> Result<()> {
        let name: Ident = input.parse()?;
        let at = name.span();
        match name.to_string().as_str() {
            "cache" => set(&mut self.cache, at, value(input)?),
            "name" => set(&mut self.name, at, value(input)?),
            "key" => set(&mut self.key, at, value(input)?),
            "ttl" => set(&mut self.ttl, at, value(input)?),
            "refresh_after" => set(&mut self.refresh_after, at, value(input)?),
            "tags" => set(&mut self.tags, at, value(input)?),
            "cluster" => set(&mut self.cluster, at, value(input)?),
            "skip" => {
                if !input.peek(syn::token::Paren) {
                    return Err(Error::new(
                        at,
                        "write the arguments in parentheses: skip(self, request)",
                    ));
                }
                let list;
                parenthesized!(list in input);
                let idents = Punctuated::<Skipped, Token![,]>::parse_terminated(&list)?;
                set(
                    &mut self.skip,
                    at,
                    idents.into_iter().map(|skipped| skipped.0).collect(),
                )
            }
            unknown => Err(Error::new(
                at,
                format!("no attribute is called `{unknown}`; there are {KNOWN}"),
            )),
        }
    }
}

/// A name of an argument, or `self` or `Self`, which are no identifiers elsewhere.
struct Skipped(Ident);

impl Parse for Skipped {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if let Ok(token) = input.parse::<Token![self]>() {
            return Ok(Self(Ident::new("self", token.span)));
        }
        if let Ok(token) = input.parse::<Token![Self]>() {
            return Ok(Self(Ident::new("Self", token.span)));
        }
        input.parse().map(Self)
    }
}

fn value<T: Parse>(input: ParseStream<'_>) -> Result<T> {
    input.parse::<Token![=]>()?;
    input.parse()
}

fn set<T>(attribute: &mut Option<T>, at: Span, value: T) -> Result<()> {
    if attribute.is_some() {
        return Err(Error::new(at, "given twice"));
    }
    *attribute = Some(value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(text: &str) -> String {
        match syn::parse_str::<Attributes>(text) {
            Ok(_) => panic!("no mistake in: {text}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn all_eight_are_read() {
        let text = r#"cache = &guira, name = "scores", skip(self, request), ttl = "5m",
            refresh_after = Duration::from_secs(60), tags = [format!("user:{user}")], cluster = true"#;
        let attributes: Attributes = syn::parse_str(text).expect("good");
        assert_eq!(attributes.name.expect("given").value(), "scores");
        assert_eq!(attributes.skip.expect("given").len(), 2);
        assert!(attributes.key.is_none() && attributes.tags.is_some() && attributes.cluster.is_some());
        assert!(syn::parse_str::<Attributes>("").is_ok());
        assert!(syn::parse_str::<Attributes>("key = (self.id, user),").is_ok());
    }

    #[test]
    fn mistakes_are_named() {
        assert!(mistake(r#"tll = "5m""#).contains("no attribute is called `tll`; there are cache,"));
        assert!(mistake(r#"ttl = "5m", ttl = "6m""#).contains("given twice"));
        assert!(mistake("skip = self").contains("in parentheses"));
        assert!(mistake("key = user, skip(self)").contains("leave `skip` out"));
    }
}
