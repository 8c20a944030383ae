//! What can be memoized, what not, and what is said then.

use syn::ItemFn;

use crate::attributes::Attributes;
use crate::signature::Signature;

fn mistake(attributes: &str, function: &str) -> String {
    let attributes: Attributes = syn::parse_str(attributes).expect("good attributes");
    let function: ItemFn = syn::parse_str(function).expect("a function");
    match Signature::of(&function, &attributes) {
        Ok(_) => panic!("no mistake"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_cannot_be_memoized_is_refused_with_the_way_out() {
    for (function, words) in [
        (
            "fn f<T>(x: T) -> u8 { 0 }",
            "a function of definite types for each",
        ),
        ("fn f<const N: usize>(x: u8) -> u8 { 0 }", "of types or constants"),
        ("fn f<'a>(x: &'a u8) -> u8 { 0 }", "leave them out"),
        ("fn f(x: impl Into<u8>) -> u8 { 0 }", "definite type"),
        ("fn f(x: u8) { }", "nothing to keep"),
        ("fn f(x: u8) -> &'static str { \"\" }", "by value"),
        ("fn f(x: u8) -> impl Iterator { 0 }", "definite type"),
        ("fn f(x: &mut u8) -> u8 { 0 }", "changes its arguments"),
        ("fn f((x, y): (u8, u8)) -> u8 { 0 }", "has a name"),
        ("fn f(x: Option<&str>) -> u8 { 0 }", "such as Option<String>"),
        ("fn f(x: &[&str]) -> u8 { 0 }", "such as &[String]"),
        ("fn f(x: Cow<'_, str>) -> u8 { 0 }", "a reference within"),
        ("fn f(x: Option<impl Into<u8>>) -> u8 { 0 }", "definite type"),
        ("fn f(x: u8) -> Option<&'static str> { None }", "by value"),
        ("fn f(x: u8) -> Result<&'static str, u8> { Err(0) }", "by value"),
        ("fn f(x: u8) -> Vec<impl Iterator> { vec![] }", "definite type"),
        ("fn f(#[cfg(unix)] x: u8) -> u8 { 0 }", "each on a condition"),
        ("fn f(&mut self) -> u8 { 0 }", "changes `self`"),
        ("fn f(&self) -> u8 { 0 }", "`skip(self)`"),
        ("fn f(x: u8) -> Option<Self> { None }", "write the type's name"),
        ("unsafe fn f(x: u8) -> u8 { 0 }", "wrap it in a safe one"),
        ("const fn f(x: u8) -> u8 { 0 }", "const"),
        ("extern \"C\" fn f(x: u8) -> u8 { 0 }", "ABI"),
    ] {
        let mistake = mistake("", function);
        assert!(mistake.contains(words), "{function}: {mistake}");
    }
    let mistake = mistake("skip(y)", "fn f(x: u8) -> u8 { 0 }");
    assert_eq!(mistake, "the function has no argument `y` to skip");
}

#[test]
fn a_function_that_says_its_type_stands_in_an_impl() {
    let is_associated = |attributes: &str, function: &str| {
        let attributes: Attributes = syn::parse_str(attributes).expect("good attributes");
        let function: ItemFn = syn::parse_str(function).expect("a function");
        Signature::of(&function, &attributes)
            .expect("it can be memoized")
            .is_associated
    };
    assert!(!is_associated("", "fn f(x: u8) -> u8 { x }"));
    assert!(!is_associated("skip(x)", "fn f(x: u8) -> u8 { x }"));
    assert!(is_associated("skip(Self)", "fn f(x: u8) -> u8 { x }"));
    assert!(is_associated("key = (Self::ID, x)", "fn f(x: u8) -> u8 { x }"));
    assert!(is_associated("", "fn f(x: u8) -> u8 { (x + Self::ID) }"));
    assert!(is_associated("", "fn f(x: [u8; Self::N]) -> u8 { 0 }"));
    assert!(is_associated("skip(self)", "fn f(&self) -> u8 { 0 }"));
}

#[test]
fn what_lives_for_ever_may_be_referred_to() {
    for function in [
        "fn f(x: &'static str, y: Cow<'static, str>, z: Option<&'static str>) -> u8 { 0 }",
        "fn f(x: fn(&str) -> u8, y: Box<dyn Fn(&str) -> u8>) -> Result<u8, &'static str> { Ok(0) }",
        "fn f(x: u8) -> Cow<'static, str> { Cow::Borrowed(\"\") }",
    ] {
        let function: ItemFn = syn::parse_str(function).expect("a function");
        if let Err(error) = Signature::of(&function, &Attributes::default()) {
            panic!("{error}");
        }
    }
    // An async method is computed by its caller, and borrows what it likes.
    let attributes: Attributes = syn::parse_str("skip(self)").expect("good attributes");
    let method: ItemFn = syn::parse_str("async fn f(&self, x: Option<&str>) -> u8 { 0 }").expect("a method");
    assert!(Signature::of(&method, &attributes).is_ok());
}

#[test]
fn one_argument_is_the_key_and_several_are_a_tuple() {
    let key_of = |attributes: &str, function: &str| {
        let attributes: Attributes = syn::parse_str(attributes).expect("good attributes");
        let function: ItemFn = syn::parse_str(function).expect("a function");
        let signature = Signature::of(&function, &attributes).expect("it can be memoized");
        signature.key.to_string()
    };
    assert_eq!(key_of("", "fn f() -> u8 { 0 }"), "& ()");
    assert_eq!(key_of("", "fn f(x: u8) -> u8 { 0 }"), "& x");
    assert_eq!(key_of("", "fn f(x: u8, y: &str) -> u8 { 0 }"), "& (& x , & y)");
    assert_eq!(key_of("skip(y)", "fn f(x: u8, y: &str) -> u8 { 0 }"), "& x");
    assert_eq!(
        key_of("key = self.id", "fn f(&self) -> u8 { 0 }"),
        "& (self . id)"
    );
}
