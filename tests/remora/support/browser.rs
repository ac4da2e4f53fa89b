//! A real browser: headless Chromium, driven through its own WebDriver.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::Stdio,
};

use fantoccini::{Client, ClientBuilder, Locator, elements::Element, key::Key};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{Daemon, repository, wait_until};

/// Chromium without what reaches out of the machine or needs a display. `--no-sandbox`: root may run the tests.
const FLAGS: [&str; 11] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
];

/// One browser with an empty profile, closed with the test.
pub(crate) struct Browser {
    client: Client,
    session_url: String,
    driver: Driver,
    http: reqwest::Client,
}

/// The program between us and the browser; ends both.
struct Driver {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Browser {
    /// A browser that shows the daemon's page, connected.
    pub(crate) async fn of(daemon: &Daemon) -> Self {
        let browser = Self::open(&daemon.url("/")).await;
        browser.connected().await;
        browser
    }

    /// A browser that shows an address.
    pub(crate) async fn open(url: &str) -> Self {
        let driver = Driver::start().await;
        let mut args: Vec<String> = FLAGS.map(str::to_owned).to_vec();
        args.push(format!("--user-data-dir={}", driver.folder.path().join("profile").display()));
        let capabilities = json!({
            "goog:chromeOptions": {"args": args},
            "goog:loggingPrefs": {"browser": "ALL"},
        });
        let Value::Object(capabilities) = capabilities else { unreachable!("written as an object") };
        let driver_url = format!("http://127.0.0.1:{}", driver.port);
        let client = ClientBuilder::new(HttpConnector::new()).capabilities(capabilities).connect(&driver_url).await;
        let client = client.unwrap_or_else(|error| panic!("chromium does not start: {error}\n{}", driver.log()));
        let session = client.session_id().await.expect("a session").expect("a session");
        let session_url = format!("{driver_url}/session/{session}");
        let browser = Self { client, session_url, driver, http: reqwest::Client::new() };
        browser.goto(url).await;
        browser
    }

    /// Loads an address in the present tab.
    pub(crate) async fn goto(&self, url: &str) {
        self.client.goto(url).await.unwrap_or_else(|error| panic!("{url} does not load: {error}"));
    }

    /// Goes to the tab that was opened first.
    pub(crate) async fn to_first_tab(&self) {
        let first = self.client.windows().await.expect("the tabs").into_iter().next().expect("a tab");
        self.client.switch_to_window(first).await.expect("the first tab");
    }

    /// Loads an address in a new tab and goes there.
    pub(crate) async fn goto_in_new_tab(&self, url: &str) {
        let window = self.client.new_window(true).await.expect("a new tab");
        self.client.switch_to_window(window.handle).await.expect("the new tab");
        self.goto(url).await;
    }

    /// Waits until the page has frames and says so.
    pub(crate) async fn connected(&self) {
        self.text_is("#connection-status", "Connected").await;
    }

    /// What a script on the page returns. The script is ours; it sees its arguments as `arguments`.
    pub(crate) async fn eval(&self, script: &str, args: &[Value]) -> Value {
        self.try_eval(script, args).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    async fn try_eval(&self, script: &str, args: &[Value]) -> Result<Value, fantoccini::error::CmdError> {
        self.client.execute(script, args.to_vec()).await
    }

    /// Waits until a script returns a truthy value; that value.
    pub(crate) async fn until(&self, what: &str, script: &str, args: &[Value]) -> Value {
        wait_until(what, async || {
            // While a page is being replaced a script can fail: look again.
            let value = self.try_eval(script, args).await.ok()?;
            let truthy = !matches!(&value, Value::Null | Value::Bool(false)) && value != json!(0) && value != json!("");
            truthy.then_some(value)
        })
        .await
    }

    /// The element, once it is there.
    pub(crate) async fn find(&self, css: &str) -> Element {
        wait_until(&format!("the page has {css}"), async || self.client.find(Locator::Css(css)).await.ok()).await
    }

    /// How many elements match now.
    pub(crate) async fn count(&self, css: &str) -> u64 {
        let count = self.eval("return document.querySelectorAll(arguments[0]).length", &[css.into()]).await;
        count.as_u64().expect("a number")
    }

    /// Waits until so many elements match.
    pub(crate) async fn count_is(&self, css: &str, count: usize) {
        let script = "return document.querySelectorAll(arguments[0]).length === arguments[1]";
        self.until(&format!("the page has {count} of {css}"), script, &[css.into(), count.into()]).await;
    }

    /// The visible text of an element, or nothing where it is not there.
    pub(crate) async fn text(&self, css: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.innerText ?? ''";
        self.eval(script, &[css.into()]).await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an element's visible text contains something.
    pub(crate) async fn text_has(&self, css: &str, needle: &str) {
        let script = "return (document.querySelector(arguments[0])?.innerText ?? '').includes(arguments[1])";
        self.until(&format!("{css} shows {needle:?}"), script, &[css.into(), needle.into()]).await;
    }

    /// Waits until an element's visible text is exactly this, but for white space around it.
    pub(crate) async fn text_is(&self, css: &str, text: &str) {
        let script = "return (document.querySelector(arguments[0])?.innerText ?? '').trim() === arguments[1]";
        self.until(&format!("{css} says {text:?}"), script, &[css.into(), text.into()]).await;
    }

    /// Waits until the title satisfies the condition.
    pub(crate) async fn title_is(&self, what: &str, condition: impl Fn(&str) -> bool) {
        wait_until(what, async || condition(&self.client.title().await.ok()?).then_some(())).await;
    }

    /// Clicks, as a person does: the element must be there, visible and not covered.
    pub(crate) async fn click(&self, css: &str) {
        wait_until(&format!("{css} can be clicked"), async || self.find(css).await.click().await.ok()).await;
    }

    /// Types into an element, as a person does.
    pub(crate) async fn type_into(&self, css: &str, text: &str) {
        self.click(css).await;
        self.find(css).await.send_keys(text).await.unwrap_or_else(|error| panic!("cannot type into {css}: {error}"));
    }

    /// Presses a key, wherever the focus is.
    pub(crate) async fn press(&self, key: Key) {
        self.press_text(&char::from(key).to_string()).await;
    }

    /// Types where the focus is.
    pub(crate) async fn press_text(&self, text: &str) {
        let focused = self.client.active_element().await.expect("something has the focus");
        focused.send_keys(text).await.unwrap_or_else(|error| panic!("cannot press {text:?}: {error}"));
    }

    /// Selects a question's card.
    pub(crate) fn card(msg_id: &str) -> String {
        format!(".blocked-agent[data-msg-id=\"{msg_id}\"]")
    }

    /// Fills a card's answer in as a person does: types, or chooses what is offered.
    pub(crate) async fn fill(&self, msg_id: &str, answer: &str) {
        let field = format!("{} [name=answer]", Self::card(msg_id));
        self.find(&field).await;
        let kind = self.eval("return document.querySelector(arguments[0]).type", &[field.as_str().into()]).await;
        match kind.as_str() {
            Some("radio" | "checkbox") => self.click(&format!("{field}[value=\"{answer}\"]")).await,
            Some("select-one") => self.click(&format!("{field} option[value=\"{answer}\"]")).await,
            _ => self.type_into(&field, answer).await,
        }
    }

    /// Sends a card's form.
    pub(crate) async fn submit(&self, msg_id: &str) {
        self.click(&format!("{} form [type=submit]", Self::card(msg_id))).await;
    }

    /// Fails where a script or the page's policy complained.
    pub(crate) async fn has_no_complaint(&self) {
        assert_eq!(self.complaints().await, Vec::<String>::new());
    }

    /// What scripts and the page's policy complained of since the last call.
    async fn complaints(&self) -> Vec<String> {
        let request = self.http.post(format!("{}/se/log", self.session_url)).json(&json!({"type": "browser"}));
        let reply: Value = request.send().await.expect("the driver replies").json().await.expect("json");
        let entries = reply["value"].as_array().cloned().unwrap_or_default();
        let missed = |entry: &Value| entry["message"].as_str().is_some_and(|text| text.contains("NoTargetsFound"));
        let bad = entries.iter().filter(|entry| entry["level"] == "SEVERE" || missed(entry));
        bad.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The window's size in CSS pixels, as a phone or a desk has it.
    pub(crate) async fn size(&self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics).await;
    }

    /// What the person's system prefers.
    pub(crate) async fn prefer_dark(&self, dark: bool) {
        self.media("", dark).await;
    }

    /// Shows the page as it is printed where the system prefers dark.
    pub(crate) async fn print(&self) {
        self.media("print", true).await;
    }

    async fn media(&self, media: &str, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": value}]);
        self.devtools("Emulation.setEmulatedMedia", &json!({"media": media, "features": features})).await;
    }

    async fn devtools(&self, command: &str, params: &Value) -> Value {
        let request = self.http.post(format!("{}/goog/cdp/execute", self.session_url));
        let reply = request.json(&json!({"cmd": command, "params": params})).send().await.expect("the driver replies");
        assert!(reply.status().is_success(), "{command}: {:?}", reply.text().await);
        reply.json().await.expect("json")
    }

    /// Writes the whole page, however long, to `screenshots/`.
    pub(crate) async fn screenshot(&self, name: &str, width: u32, at_least: u32) -> PathBuf {
        self.size(width, at_least).await;
        let height = self.eval("return document.documentElement.scrollHeight", &[]).await;
        let height = u32::try_from(height.as_u64().expect("a height")).expect("a height");
        self.size(width, height.max(at_least)).await;
        let folder = repository().join("screenshots");
        fs::create_dir_all(&folder).expect("a folder for pictures");
        let file = folder.join(format!("{name}.png"));
        fs::write(&file, self.client.screenshot().await.expect("a picture")).expect("written");
        file
    }
}

impl Driver {
    async fn start() -> Self {
        let mut driver = Self::spawn();
        driver.port = wait_until("chromedriver listens", async || {
            // It wants one port of both protocols, and ends where another program was faster with either.
            if let Ok(Some(_)) = driver.child.try_wait() {
                driver = Self::spawn();
            }
            let log = driver.log();
            log.split_once("successfully on port ")?.1.split_once('.')?.0.parse().ok()
        })
        .await;
        driver
    }

    fn spawn() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let log = fs::File::create(folder.path().join("log")).expect("a log file");
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null()).stderr(Stdio::null()).stdout(log).kill_on_drop(true);
        let child = command.spawn().expect("chromedriver is installed; tests/run does it");
        Self { child, port: 0, folder }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Asks it to end its browser and itself; it is gone once it hangs up.
    fn shut_down(&self) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.write_all(b"GET /shutdown HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A killed driver would leave its browser behind.
        if let Err(error) = self.driver.shut_down() {
            eprintln!("chromedriver did not shut down: {error}");
        }
        while let Ok(None) = self.driver.child.try_wait() {
            std::thread::yield_now();
        }
    }
}
