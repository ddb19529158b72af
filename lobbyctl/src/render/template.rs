//! A template: Jinja, strict and bounded.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use lobby_client::InvalidSelector;
use lobby_client::files::read_bounded;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::chains::first_too_long;
use super::values::{Chosen, Host, chosen, is_plain_name, listed};

/// Longest template, in bytes.
const MAX_TEMPLATE: usize = 1 << 20;

/// Longest output, in bytes.
const MAX_OUTPUT: usize = 64 << 20;

/// The steps that a template may take, and with them its memory: for 100,000 servers a hundred
/// steps each.
const FUEL: u64 = 10_000_000;

/// How long a template may take. A step of it may go through all servers.
pub(super) const TIME_LIMIT: Duration = Duration::from_secs(30);

/// The stack of what reads or renders, in bytes: minijinja recurses. Only what is used takes memory.
pub(super) const STACK: usize = 64 << 20;

/// The name of the only template there is.
const NAME: &str = "template";

/// A template took too long. It still does: what is at work on it cannot be stopped.
#[derive(Debug)]
pub(super) struct TooSlow {
    path: PathBuf,
    limit: Duration,
}

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: it takes longer than {:?}", self.path.display(), self.limit)
    }
}

impl std::error::Error for TooSlow {}

/// A template that was read from a file.
#[derive(Debug)]
pub(super) struct Template {
    path: PathBuf,
    text: String,
}

/// What a template made.
#[derive(Debug)]
pub(super) struct Rendered {
    /// The output.
    pub(super) text: Vec<u8>,
    /// The number of servers that it took: those of its `with`, all of them together, or every
    /// server where it has none.
    pub(super) servers: usize,
}

impl Template {
    /// Reads a template, and makes sure that it is one. After the time limit it is [`TooSlow`].
    pub(super) async fn read(path: &Path) -> anyhow::Result<Self> {
        let cannot = || format!("cannot read the template {}", path.display());
        let bytes = read_bounded(path, MAX_TEMPLATE).with_context(cannot)?;
        let text = String::from_utf8(bytes).with_context(cannot)?;
        let template = Self { path: path.to_owned(), text };
        let checking = move || {
            template.environment(&[], &Chosen::default())?;
            Ok(template)
        };
        within(TIME_LIMIT, path, checking).await
    }

    /// What it makes of these servers, which are in order. Others can work meanwhile; after the
    /// time limit it is [`TooSlow`].
    pub(super) async fn render_within(
        self,
        hosts: Vec<Arc<Host>>,
        limit: Duration,
    ) -> anyhow::Result<Rendered> {
        let path = self.path.clone();
        within(limit, &path, move || self.render(&hosts)).await
    }

    fn render(&self, hosts: &[Arc<Host>]) -> anyhow::Result<Rendered> {
        let taken = Chosen::default();
        let environment = self.environment(hosts, &taken)?;
        let mut output = Bounded(Vec::new());
        let template = environment.get_template(NAME).map_err(|error| self.explained(&error))?;
        let rendered = template.render_captured_to((), &mut output);
        rendered.map_err(|error| self.explained(&error))?;
        Ok(Rendered { text: output.0, servers: taken.count().unwrap_or(hosts.len()) })
    }

    fn environment(&self, hosts: &[Arc<Host>], taken: &Chosen) -> anyhow::Result<Environment<'_>> {
        let syntax = syntax()?;
        // Before minijinja reads it: an overflow of the stack is the end of the program.
        if let Some((place, problem)) = first_too_long(&self.text, syntax.clone()) {
            let (line, column) = self.line_and_column(place);
            bail!("{}:{line}:{column}: {problem}", self.path.display());
        }
        let mut environment = Environment::new();
        environment.set_syntax(syntax);
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment.add_global("hosts", listed(hosts.iter()));
        let (all, taken) = (hosts.to_vec(), taken.clone());
        environment.add_function("with", move |selector: &str| chosen(&all, selector, &taken));
        environment.add_test("plain_name", |text: &str| is_plain_name(text));
        environment.add_template(NAME, &self.text).map_err(|error| self.explained(&error))?;
        Ok(environment)
    }

    /// What is wrong and where. Values do not show: they are what strangers said.
    fn explained(&self, error: &Error) -> anyhow::Error {
        let (line, column) = match error.range() {
            Some(range) => self.line_and_column(range.start),
            None => (error.line().unwrap_or(1), 1),
        };
        let text = self.text.lines().nth(line - 1).unwrap_or_default().trim();
        let what = match (error.kind(), error.detail()) {
            (ErrorKind::OutOfFuel, _) => "it takes too many steps, or too much memory".to_owned(),
            (ErrorKind::WriteFailure, _) => {
                format!("it makes more than {} MiB", MAX_OUTPUT >> 20)
            }
            // While it is read there are no values yet.
            (kind @ ErrorKind::SyntaxError, Some(detail)) => format!("{kind}: {detail}"),
            (kind, _) if text.is_empty() => kind.to_string(),
            (kind, _) => match self.own_selector(error) {
                Some(invalid) => format!("the selector is invalid:\n{invalid}"),
                None => format!("{kind}: {text}"),
            },
        };
        anyhow!("{}:{line}:{column}: {what}", self.path.display())
    }

    /// Where a byte stands, for people: both count from one, and columns are characters.
    fn line_and_column(&self, place: usize) -> (usize, usize) {
        let before = self.text.get(..place).unwrap_or_default();
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count());
        (before.matches('\n').count() + 1, column + 1)
    }
}

impl Template {
    /// What is wrong with a selector that stands in the template. One that was made of values does
    /// not show.
    fn own_selector<'e>(&self, error: &'e Error) -> Option<&'e InvalidSelector> {
        let source = std::error::Error::source(error)?;
        let invalid = source.downcast_ref::<InvalidSelector>()?;
        ["'", "\""].into_iter().find_map(|quote| {
            let literal = format!("{quote}{}{quote}", invalid.text());
            self.text.contains(&literal).then_some(invalid)
        })
    }
}

fn syntax() -> anyhow::Result<SyntaxConfig> {
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
    Ok(syntax.build()?)
}

/// Works on a template on a thread with enough stack, while others can work too.
async fn within<T: Send + 'static>(
    limit: Duration,
    path: &Path,
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let (done, is_done) = oneshot::channel();
    let thread = thread::Builder::new().name("template".to_owned()).stack_size(STACK);
    // Once the time is up nobody asks for what it made.
    let started = thread.spawn(move || done.send(work()).ok());
    started.context("cannot start a thread for the template")?;
    let worked = timeout(limit, is_done).await;
    worked.map_err(|_| TooSlow { path: path.to_owned(), limit })?.context("the template broke")?
}

/// An output that ends at its bound.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lobby_client::{AddressLabels, HostName, Label};

    use super::*;

    fn host(name: &str, labels: &[&str]) -> Arc<Host> {
        let labels: Vec<_> = labels.iter().map(|label| Label::parse(label).unwrap()).collect();
        let addresses = AddressLabels::parse(AddressLabels::DEFAULT).unwrap();
        Arc::new(Host::new(&HostName::parse(name).unwrap(), &labels, &addresses))
    }

    fn hosts() -> Vec<Arc<Host>> {
        vec![
            host("a", &["address:10.0.0.1", "port:web:80", "port:web2:81", "service:web"]),
            host("b", &["service:smtp", "drain", "secret:s3cret"]),
        ]
    }

    fn template(text: &str) -> Template {
        Template { path: "t.j2".into(), text: text.to_owned() }
    }

    fn rendered(text: &str) -> String {
        String::from_utf8(template(text).render(&hosts()).unwrap().text).unwrap()
    }

    fn fault(text: &str) -> String {
        template(text).render(&hosts()).unwrap_err().to_string()
    }

    #[test]
    fn a_template_knows_the_servers_and_what_they_say() {
        assert_eq!(rendered("{% for host in hosts %}\n{{ host.name }}\n{% endfor %}\n"), "a\nb\n");
        assert_eq!(rendered("{{ hosts[0].address }} {{ hosts[0].labels|length }}"), "10.0.0.1 4");
        assert_eq!(rendered("{{ hosts[0].value('port') }}"), "web:80");
        assert_eq!(rendered("{{ hosts[0].values('port')|join(' ') }}"), "web:80 web2:81");
        assert_eq!(rendered("{{ hosts[1].value('port')|default('none') }}"), "none");
        assert_eq!(rendered("{% if not hosts[1].address %}no address{% endif %}"), "no address");
        assert_eq!(rendered("{{ 'drain' in hosts[1].labels }}"), "True");
        let with = "{% for host in with('service=web or nobody') %}{{ host.name }}{% endfor %}";
        assert_eq!(rendered(with), "a");
        assert_eq!(
            rendered("{{ 'web-1.a' is plain_name }} {{ 'a;b' is plain_name }}"),
            "True False"
        );
    }

    #[test]
    fn a_fault_names_the_place_and_shows_no_data() {
        assert_eq!(
            fault("x\n  {{ hosts[1].address }}"),
            "t.j2:2:6: undefined value: {{ hosts[1].address }}"
        );
        assert!(fault("{% if %}").starts_with("t.j2:1:"), "{}", fault("{% if %}"));
        for text in [
            "{{ hosts[1].value('secret')|int }}",
            "{{ hosts[1].labels + 1 }}",
            "{{ with(hosts[1].value('secret') ~ '(') }}",
            "{{ hosts[1][hosts[1].value('secret')] }}",
            "{{ hosts[1].nothing() }}",
        ] {
            let fault = fault(text);
            assert!(fault.starts_with("t.j2:1:") && !fault.contains("s3cret"), "{text}: {fault}");
        }
    }

    #[actix_rt::test]
    async fn a_template_that_takes_too_long_is_given_up() {
        let sorting = "{% for a in range(300) %}{{ (range(9999)|sort)|length }}{% endfor %}";
        let limit = Duration::from_millis(1);
        let slow = template(sorting).render_within(hosts(), limit).await.unwrap_err();
        assert!(slow.is::<TooSlow>(), "{slow}");
        assert_eq!(slow.to_string(), "t.j2: it takes longer than 1ms");
        let quick = template("{{ hosts|length }}").render_within(hosts(), TIME_LIMIT).await;
        assert_eq!(quick.unwrap().text, b"2");
    }

    #[test]
    fn a_bad_selector_of_the_template_shows_its_place() {
        let expected = "t.j2:1:4: the selector is invalid:\nservice=web x\n            ^\n";
        for text in ["{{ with('service=web x') }}", "{{ with(\"service=web x\") }}"] {
            assert!(fault(text).starts_with(expected), "{}", fault(text));
        }
        let made = fault("{{ with('service=' ~ hosts[1].value('secret') ~ ' x') }}");
        assert!(!made.contains('^') && !made.contains("s3cret"), "{made}");
    }

    #[test]
    fn the_servers_that_a_template_takes_are_counted_once() {
        let count = |text: &str| template(text).render(&hosts()).unwrap().servers;
        assert_eq!(count("no loop"), 2);
        assert_eq!(count("{% for host in with('service=web') %}{% endfor %}{{ hosts|length }}"), 1);
        assert_eq!(count("{{ with('service=web')|length }}{{ with('service')|length }}"), 2);
        assert_eq!(count("{% if with('nothing') %}x{% endif %}"), 0);
    }

    #[test]
    fn endless_and_huge_templates_are_stopped() {
        let endless =
            "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
        assert!(fault(endless).contains("too many steps"), "{}", fault(endless));
        let doubling = "{% set ns = namespace(x='xxxxxxxx') %}{% for a in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}";
        assert!(fault(doubling).contains("too"), "{}", fault(doubling));
        let long = "{% set x = 'x' * 1000000 %}{% for a in range(99) %}{{ x }}{% endfor %}";
        assert!(fault(long).contains("more than 64 MiB"), "{}", fault(long));
        let deep = "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}";
        assert!(fault(deep).starts_with("t.j2:1:"), "{}", fault(deep));
    }
}
