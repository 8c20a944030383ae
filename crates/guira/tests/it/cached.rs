//! `#[cached]`: on functions, async functions and methods.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use guira::{Failure, FlightOptions, Guira, Lifetime, cached};

use crate::awaiting::block_on;
use crate::children::await_that;

static GUIRA: LazyLock<Guira> =
    LazyLock::new(|| Guira::builder().size(8 << 20).private().expect("a segment"));

fn counted(calls: &AtomicU64) -> u64 {
    calls.fetch_add(1, Ordering::Relaxed) + 1
}

#[derive(Debug, PartialEq)]
struct Refused(String);

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self(failure.text().to_owned())
    }
}

#[test]
fn a_function_has_its_companions_beside_it() {
    static CALLS: AtomicU64 = AtomicU64::new(0);

    /// Numbers its calls.
    #[cached(cache = &*GUIRA, name = "number", ttl = "5m", refresh_after = Duration::from_secs(60))]
    fn number(base: u64) -> Result<u64, Refused> {
        if base == 0 {
            return Err(Refused("zero".to_owned()));
        }
        Ok(base + counted(&CALLS))
    }

    assert_eq!(number::peek(10).expect("a key"), None);
    assert_eq!((number(10), number(10)), (Ok(11), Ok(11)));
    assert_eq!(number::peek(10).expect("a key"), Some(11));
    assert!(number::contains(10).expect("a key"));
    let (value, ttl) = number::get_ttl(10).expect("a key").expect("kept");
    assert!(
        value == 11 && ttl.seconds() > 50.0 && ttl.seconds() <= 60.0,
        "{ttl:?}"
    );
    assert_eq!(number::refresh(10), Ok(12));
    assert_eq!(number::uncached(10), Ok(13));
    assert_eq!(
        (number(10), number::bg(10), number::future(10).wait()),
        (Ok(12), Ok(12), Ok(12))
    );
    number::put(10, 100).expect("room");
    assert_eq!(number::lazy(10), Some(100));
    assert_eq!(number::replace(10, 101).expect("room"), guira::Replace::Stored);
    assert_eq!(number(10), Ok(101));
    assert!(number::expire(10).expect("a key"));
    assert!(number::get_ttl(10).expect("a key").expect("kept").1.is_stale());
    assert_eq!(number(10), Ok(101));
    await_that("the refresh", || number::peek(10).expect("a key") == Some(14));
    assert!(number::invalidate(10).expect("a key"));
    assert_eq!(number::lazy(10), None);
    await_that("the computation", || number::peek(10).expect("a key") == Some(15));
    assert_eq!(
        (number(0), number(0)),
        (Err(Refused("zero".to_owned())), Err(Refused("zero".to_owned())))
    );
    assert_eq!(number::stats().flights.failures, 2);
    assert_eq!(
        &*number::key(10).expect("a key"),
        &*guira::key::KeyBytes::of(&10_u8).expect("a key")
    );
    // What others call the same is the same.
    assert_eq!(number::memo().name(), "number");
    assert!(guira::memoized::names().contains(&"number".to_owned()));
    number::clear().expect("a row");
    assert_eq!(number::peek(10).expect("a key"), None);
}

#[test]
fn references_are_keys_and_go_to_the_background_as_what_they_refer_to() {
    static CALLS: AtomicU64 = AtomicU64::new(0);

    #[cached(cache = &*GUIRA)]
    fn joined(first: &str, mut rest: Vec<String>, _request: &[u8]) -> String {
        counted(&CALLS);
        rest.insert(0, first.to_owned());
        rest.join("+")
    }

    let rest = || vec!["b".to_owned(), "c".to_owned()];
    assert_eq!(joined("a", rest(), b"1"), "a+b+c");
    assert_eq!(joined::future("a", rest(), b"1").wait(), Ok("a+b+c".to_owned()));
    assert_eq!(joined::bg("x", rest(), b"1"), "x+b+c");
    assert_eq!(CALLS.load(Ordering::Relaxed), 2);
    assert!(
        joined::memo().name().ends_with("they_refer_to::joined"),
        "{}",
        joined::memo().name()
    );
}

#[test]
fn functions_of_one_name_within_two_others_share_nothing() {
    fn small() -> u64 {
        #[cached(cache = &*GUIRA)]
        fn step(n: u64) -> u64 {
            n + 1
        }
        step(1)
    }
    fn large() -> u64 {
        #[cached(cache = &*GUIRA)]
        fn step(n: u64) -> u64 {
            n + 100
        }
        step(1)
    }
    assert_eq!((small(), large()), (2, 101));
}

#[test]
fn arguments_may_be_left_out_or_made_into_a_key() {
    struct Request {
        user: u64,
        trace: u64,
    }

    #[cached(cache = &*GUIRA, skip(trace))]
    fn skipping(user: u64, trace: u64) -> u64 {
        user * 1_000 + trace
    }
    #[cached(cache = &*GUIRA, key = (request.user, "v2"))]
    fn keyed(request: Request) -> u64 {
        request.user * 1_000 + request.trace
    }
    #[cached(cache = &*GUIRA)]
    fn alone() -> u64 {
        static CALLS: AtomicU64 = AtomicU64::new(0);
        counted(&CALLS)
    }

    assert_eq!((skipping(7, 1), skipping(7, 2)), (7_001, 7_001));
    let request = |trace| Request { user: 7, trace };
    assert_eq!((keyed(request(1)), keyed(request(2))), (7_001, 7_001));
    assert_eq!((alone(), alone()), (1, 1));
}

#[test]
fn lifetimes_may_follow_the_value_and_tags_the_arguments() {
    #[cached(
        cache = &*GUIRA,
        ttl = |found: &Option<u64>| if found.is_some() { Lifetime::never() } else { Duration::from_secs(5).into() },
        tags = ["found", format!("user:{user}")]
    )]
    fn found(user: u64) -> Option<u64> {
        (user > 5).then_some(user)
    }

    assert_eq!((found(7), found(3)), (Some(7), None));
    assert!(found::get_ttl(3).expect("a key").expect("kept").1.seconds() <= 5.0);
    assert_eq!(
        found::get_ttl(7).expect("a key").expect("kept").1,
        guira::Ttl::Never
    );
    GUIRA.segment().invalidate_tag(b"user:7");
    assert!(!found::contains(7).expect("a key") && found::contains(3).expect("a key"));
    found::put(7, Some(70)).expect("room");
    GUIRA.segment().invalidate_tag(b"found");
    assert!(!found::contains(7).expect("a key") && !found::contains(3).expect("a key"));
}

#[test]
fn an_alias_of_result_and_an_error_without_conversion_do() {
    #[cached(cache = &*GUIRA)]
    fn size(path: &str) -> std::io::Result<u64> {
        Ok(std::fs::metadata(path)?.len())
    }

    assert!(size("/no/such/file").is_err());
    assert!(size("/proc/self/exe").expect("it runs") > 0);
    assert!(size::peek("/proc/self/exe").expect("a key").is_some());
    assert_eq!(size::stats().flights.failures, 1);
}

#[test]
fn an_async_function_is_awaited() {
    static CALLS: AtomicU64 = AtomicU64::new(0);

    #[cached(cache = &*GUIRA, ttl = "1h")]
    async fn fetched(name: &str) -> Result<String, Refused> {
        std::future::ready(()).await;
        Ok(format!("{name} {}", counted(&CALLS)))
    }

    fn is_send<T: Send>(future: T) -> T {
        future
    }
    assert_eq!(block_on(is_send(fetched("a"))), Ok("a 1".to_owned()));
    assert_eq!(block_on(fetched("a")), Ok("a 1".to_owned()));
    assert_eq!(block_on(fetched::refresh("a")), Ok("a 2".to_owned()));
    assert_eq!(block_on(fetched::uncached("a")), Ok("a 3".to_owned()));
    assert_eq!(block_on(fetched::bg("b")), Ok("b 4".to_owned()));
    assert_eq!(fetched::future("b").wait(), Ok("b 4".to_owned()));
    assert_eq!(fetched::peek("a").expect("a key"), Some("a 2".to_owned()));
}

struct Shop {
    id: u64,
    prices: [u64; 3],
    calls: AtomicU64,
}

impl Shop {
    fn new(id: u64) -> Self {
        Self {
            id,
            prices: [10, 20, 30],
            calls: AtomicU64::new(0),
        }
    }

    /// The price of an article.
    #[cached(cache = &*GUIRA, key = (self.id, article), tags = [format!("shop:{}", self.id)])]
    fn price(&self, article: usize) -> Option<u64> {
        counted(&self.calls);
        self.prices.get(article).copied()
    }

    #[cached(cache = &*GUIRA, skip(self))]
    async fn tax(&self, price: u64) -> Result<u64, Refused> {
        std::future::ready(()).await;
        counted(&self.calls);
        if price == 0 {
            Err(Refused("free".to_owned()))
        } else {
            Ok(price / 5)
        }
    }
}

#[test]
fn a_method_keeps_what_its_key_says_of_self() {
    let (one, two) = (Shop::new(1), Shop::new(2));
    assert_eq!(
        (one.price(0), one.price(0), two.price(0)),
        (Some(10), Some(10), Some(10))
    );
    assert_eq!(
        (
            one.calls.load(Ordering::Relaxed),
            two.calls.load(Ordering::Relaxed)
        ),
        (1, 1)
    );
    assert_eq!(one.price_peek(0).expect("a key"), Some(Some(10)));
    assert_eq!(one.price(9), None);
    one.price_put(0, Some(11)).expect("room");
    assert_eq!((one.price(0), two.price(0)), (Some(11), Some(10)));
    assert_eq!(one.price_refresh(0), Some(10));
    assert_eq!(one.price_uncached(0), Some(10));
    assert!(one.price_get_ttl(0).expect("a key").is_some() && one.price_contains(0).expect("a key"));
    GUIRA.segment().invalidate_tag(b"shop:1");
    assert!(!one.price_contains(0).expect("a key") && two.price_contains(0).expect("a key"));
    assert!(two.price_invalidate(0).expect("a key"));
    assert!(Shop::price_memo().name().ends_with("::Shop::price"));
    assert_eq!(Shop::price_stats().hits, 3);

    assert_eq!(block_on(one.tax(100)), Ok(20));
    assert_eq!(block_on(two.tax(100)), Ok(20));
    assert_eq!(block_on(two.tax_refresh(50)), Ok(10));
    assert_eq!(block_on(two.tax(0)), Err(Refused("free".to_owned())));
    assert_eq!(Shop::tax_stats().flights.computations, 2);
    Shop::tax_clear().expect("a row");
    assert_eq!(one.tax_peek(100).expect("a key"), None);
}

/// A handle, which background companions take a clone of.
#[derive(Clone)]
struct Warehouse {
    id: u64,
    calls: Arc<AtomicU64>,
}

impl Warehouse {
    #[cached(cache = &*GUIRA, key = (self.id, article), ttl = "1h")]
    fn stock(&self, article: &str) -> Result<u64, Refused> {
        if article.is_empty() {
            return Err(Refused("no name".to_owned()));
        }
        Ok(article.len() as u64 * 100 + counted(&self.calls))
    }

    #[cached(cache = &*GUIRA, key = (self.id, "shared", shelf))]
    fn shelf(self: &Arc<Self>, shelf: u64) -> u64 {
        shelf * 10 + counted(&self.calls)
    }
}

#[test]
fn a_method_is_computed_in_the_background_with_a_clone_of_self() {
    let calls = Arc::new(AtomicU64::new(0));
    let warehouse = Warehouse { id: 1, calls };
    assert_eq!(warehouse.stock_future("plum").wait(), Ok(401));
    assert_eq!(warehouse.stock_bg("plum"), Ok(401));
    assert_eq!(warehouse.stock("plum"), Ok(401));
    assert_eq!(warehouse.stock_bg(""), Err(Refused("no name".to_owned())));
    assert_eq!(warehouse.stock_lazy("fig"), None);
    await_that("the computation", || {
        warehouse.stock_peek("fig").expect("a key") == Some(302)
    });
    assert_eq!(warehouse.stock_lazy("fig"), Some(302));
    assert!(warehouse.stock_expire("fig").expect("a key"));
    assert_eq!(warehouse.stock_lazy("fig"), Some(302));
    await_that("the refresh", || {
        warehouse.stock_peek("fig").expect("a key") == Some(303)
    });
    assert_eq!(Warehouse::stock_stats().flights.computations, 3);

    let shared = Arc::new(warehouse);
    assert_eq!(shared.shelf_future(7).wait(), Ok(74));
    assert_eq!((shared.shelf(7), shared.shelf_bg(7)), (74, 74));
}

/// Tells itself by no `self`.
struct Tariff<const PERCENT: u64>;

impl<const PERCENT: u64> Tariff<PERCENT> {
    #[cached(cache = &*GUIRA)]
    fn taxed(price: u64) -> u64 {
        price * (100 + Self::percent()) / 100
    }

    fn percent() -> u64 {
        PERCENT
    }
}

struct Maths;

impl Maths {
    #[cached(cache = &*GUIRA, skip(Self), tags = [format!("n:{n}")])]
    fn square(n: u64) -> u64 {
        n * n
    }

    #[cached(cache = &*GUIRA, skip(Self))]
    async fn cube(n: u64) -> u64 {
        n * n * n
    }
}

#[test]
fn an_associated_function_is_told_by_its_type() {
    assert_eq!((Maths::square(7), Maths::square_bg(8)), (49, 64));
    assert_eq!(Maths::square_future(7).wait(), Ok(49));
    assert_eq!(Maths::square_peek(8).expect("a key"), Some(64));
    GUIRA.segment().invalidate_tag(b"n:8");
    assert!(!Maths::square_contains(8).expect("a key") && Maths::square_contains(7).expect("a key"));
    assert!(Maths::square_memo().name().ends_with("::Maths::square"));
    assert_eq!(block_on(Maths::cube(3)), 27);
    assert_eq!(Maths::cube_peek(3).expect("a key"), Some(27));

    assert_eq!((Tariff::<7>::taxed(100), Tariff::<9>::taxed(100)), (107, 109));
    assert_eq!(Tariff::<9>::taxed_peek(100).expect("a key"), Some(109));
}

#[test]
fn a_closure_sets_up_what_has_no_attribute() {
    #[cached(
        cache = |memo| memo
            .cache(&*GUIRA)
            .keep_if(|value| *value != 9)
            .flights(FlightOptions::default().grace(Duration::from_secs(3_600))),
        name = "set up",
        ttl = "1h"
    )]
    fn squared(n: u64) -> u64 {
        n * n
    }

    assert_eq!((squared(7), squared(3)), (49, 9));
    assert_eq!(squared::peek(7).expect("a key"), Some(49));
    assert_eq!(squared::peek(3).expect("a key"), None, "it is not to be kept");
    let cache = squared::memo().cache().expect("named");
    let segment = cache.segment().expect("a row");
    let left = segment
        .ttl(&squared::key(7).expect("a key"))
        .flatten()
        .expect("a deadline");
    assert!(
        left > Duration::from_secs(2 * 3_600 - 60),
        "an hour, and an hour of grace: {left:?}"
    );
}

struct Named<T>(T);

impl<T: std::fmt::Display> Named<T> {
    #[cached(cache = &*GUIRA, skip(self))]
    fn shown(&self, times: usize) -> String {
        self.0.to_string().repeat(times)
    }
}

#[test]
fn the_types_of_a_generic_impl_keep_their_values_apart() {
    assert_eq!(Named("plum").shown(2), "plumplum");
    assert_eq!(Named(7).shown(2), "77");
    assert_eq!(Named('x').shown(2), "xx");
    assert_eq!(Named("pear").shown(2), "plumplum");
    assert_eq!(Named(8).shown(2), "77");
}

#[test]
fn without_a_cache_the_function_is_called() {
    static CALLS: AtomicU64 = AtomicU64::new(0);

    #[cached]
    fn plain(n: u64) -> u64 {
        counted(&CALLS);
        n * n
    }

    // Nothing in this binary sets a default.
    assert_eq!((plain(7), plain(7)), (49, 49));
    assert_eq!(CALLS.load(Ordering::Relaxed), 2);
    assert!(matches!(plain::peek(7), Err(guira::Error::NoCache { .. })));
    assert_eq!(plain::stats().unmemoized, 2);
}

#[test]
fn tags_are_made_of_arguments_that_are_taken_by_value() {
    #[cached(cache = &*GUIRA, tags = [format!("owner:{owner}")])]
    fn greeting(owner: String, word: &'static str) -> String {
        format!("{word} {owner}")
    }

    let greet = || greeting("plum".to_owned(), "hello");
    assert_eq!(greet(), "hello plum");
    assert!(greeting::contains("plum".to_owned(), "hello").expect("a key"));
    GUIRA.segment().invalidate_tag(b"owner:plum");
    assert!(!greeting::contains("plum".to_owned(), "hello").expect("a key"));
    assert_eq!(greet(), "hello plum");
}

#[test]
fn a_method_may_change_its_copy_of_self() {
    #[derive(Clone, Copy)]
    struct Step(u64);

    impl Step {
        #[cached(cache = &*GUIRA, key = (self.0, n))]
        fn beyond(mut self, n: u64) -> u64 {
            self.0 += 1;
            self.0 * n
        }

        // Names that the companions use themselves.
        #[cached(cache = &*GUIRA, skip(self), tags = ["step"])]
        fn joined(self, tags: String, encoded: u64, value: u64) -> String {
            format!("{tags} {encoded} {value}")
        }
    }

    assert_eq!((Step(1).beyond(10), Step(2).beyond(10)), (20, 30));
    assert_eq!(Step(1).beyond_peek(10).expect("a key"), Some(20));
    assert_eq!(Step(1).joined_bg("a".to_owned(), 1, 2), "a 1 2");
}
