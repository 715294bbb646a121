//! The broker's C interface, and nothing else.
//!
//! Declared by hand for Mosquitto's plugin interface 5 as 2.0 publishes it. The broker has one
//! thread and calls us from it, one call at a time; but a call of ours (a kick, a line of log) may
//! make it call us again before it returns, so nothing is borrowed across one.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::Instant;

use crate::guard::{self, Guard, Report, Verdict};
use crate::rules::{self, Access};

const INTERFACE: c_int = 5;

const SUCCESS: c_int = 0;
const INVALID: c_int = 3;
const ACL_DENIED: c_int = 12;
const DEFER: c_int = 17;

const EVENT_RELOAD: c_int = 1;
const EVENT_ACL_CHECK: c_int = 2;
const EVENT_CONTROL: c_int = 6;
const EVENT_TICK: c_int = 9;
const EVENT_DISCONNECT: c_int = 10;

const ACCESS_READ: c_int = 1;
const ACCESS_WRITE: c_int = 2;
const ACCESS_SUBSCRIBE: c_int = 4;

const LOG_ERROR: c_int = 8;
/// Everything before the PEM block that can matter.
const FIRST_LINE: u64 = 128;

/// A client as the broker knows it; only ever handed back to the broker.
#[repr(C)]
struct Client {
    _opaque: [u8; 0],
}

/// The broker's name for this plugin; only ever handed back to the broker.
#[repr(C)]
struct PluginId {
    _opaque: [u8; 0],
}

#[repr(C)]
struct Setting {
    key: *const c_char,
    value: *const c_char,
}

#[repr(C)]
struct AclCheck {
    _future: *mut c_void,
    client: *const Client,
    topic: *const c_char,
    payload: *const c_void,
    _properties: *mut c_void,
    access: c_int,
    payload_len: u32,
    _qos: u8,
    _retain: bool,
    _future2: [*mut c_void; 4],
}

#[repr(C)]
struct Control {
    _future: *mut c_void,
    client: *const Client,
    _topic: *const c_char,
    payload: *const c_void,
    _properties: *const c_void,
    _reason_string: *mut c_char,
    payload_len: u32,
    _qos: u8,
    _reason_code: u8,
    _retain: bool,
    _future2: [*mut c_void; 4],
}

#[repr(C)]
struct Disconnect {
    _future: *mut c_void,
    client: *const Client,
    _reason: c_int,
    _future2: [*mut c_void; 4],
}

// As the C compiler lays them out on 64-bit machines, taken from 2.0.11's own header.
#[cfg(target_pointer_width = "64")]
const _: () = {
    use std::mem::{offset_of, size_of};
    assert!(size_of::<AclCheck>() == 88 && offset_of!(AclCheck, payload_len) == 44);
    assert!(offset_of!(AclCheck, topic) == 16 && offset_of!(AclCheck, access) == 40);
    assert!(size_of::<Control>() == 88 && offset_of!(Control, payload_len) == 48);
    assert!(size_of::<Disconnect>() == 56 && offset_of!(Disconnect, client) == 8);
};

type Callback = extern "C" fn(c_int, *mut c_void, *mut c_void) -> c_int;

unsafe extern "C" {
    fn mosquitto_callback_register(
        plugin: *mut PluginId,
        event: c_int,
        callback: Callback,
        detail: *const c_void,
        data: *mut c_void,
    ) -> c_int;
    fn mosquitto_callback_unregister(
        plugin: *mut PluginId,
        event: c_int,
        callback: Callback,
        detail: *const c_void,
    ) -> c_int;
    fn mosquitto_client_username(client: *const Client) -> *const c_char;
    fn mosquitto_client_address(client: *const Client) -> *const c_char;
    fn mosquitto_broker_publish_copy(
        client_id: *const c_char,
        topic: *const c_char,
        payload_len: c_int,
        payload: *const c_void,
        qos: c_int,
        retain: bool,
        properties: *mut c_void,
    ) -> c_int;
    fn mosquitto_kick_client_by_username(username: *const c_char, with_will: bool) -> c_int;
    fn mosquitto_log_printf(level: c_int, format: *const c_char, ...);
}

/// What the broker hands back to us with every call.
struct Plugin {
    id: *mut PluginId,
    guard: RefCell<Guard>,
    list_file: Option<PathBuf>,
}

/// Chooses the interface: 5, or none of ours.
#[unsafe(no_mangle)]
extern "C" fn mosquitto_plugin_version(count: c_int, versions: *const c_int) -> c_int {
    let count = usize::try_from(count).unwrap_or_default();
    if versions.is_null() {
        return -1;
    }
    // SAFETY: the broker passes an array of `count` numbers that lives during this call.
    let offered = unsafe { std::slice::from_raw_parts(versions, count) };
    if offered.contains(&INTERFACE) { INTERFACE } else { -1 }
}

/// Reads the settings and registers the callbacks; the broker does not start when this fails.
#[unsafe(no_mangle)]
extern "C" fn mosquitto_plugin_init(
    id: *mut c_void,
    data: *mut *mut c_void,
    settings: *mut c_void,
    count: c_int,
) -> c_int {
    protected(INVALID, || {
        let setting = |wanted: &str| setting(settings.cast(), count, wanted);
        let guard = setting("ingest_identities").and_then(|names| Guard::new(&names));
        let Some(mut guard) = guard else {
            log(c"yard: plugin_opt_ingest_identities has to name device-ingest's certificates");
            return INVALID;
        };
        let list_file = setting("crl_file").map(PathBuf::from);
        guard.started(list_number(list_file.as_ref()));
        let id = id.cast::<PluginId>();
        let plugin = Box::new(Plugin { id, guard: RefCell::new(guard), list_file });
        // Freed in `mosquitto_plugin_cleanup`; until then the broker holds it.
        let plugin = Box::into_raw(plugin).cast::<c_void>();
        // SAFETY: the broker passes a place for one pointer.
        unsafe { data.write(plugin) };
        for (event, callback, detail) in callbacks() {
            // SAFETY: the id is the one just given, the callbacks live as long as the library, the
            // topic is static, and the data lives until cleanup, which unregisters them first.
            let code = unsafe { mosquitto_callback_register(id, event, callback, detail, plugin) };
            if code != SUCCESS {
                log(c"yard: the broker refused a callback");
                return code;
            }
        }
        SUCCESS
    })
}

/// Takes everything back.
#[unsafe(no_mangle)]
extern "C" fn mosquitto_plugin_cleanup(
    data: *mut c_void,
    _settings: *mut c_void,
    _count: c_int,
) -> c_int {
    protected(SUCCESS, || {
        if data.is_null() {
            return SUCCESS;
        }
        // SAFETY: it is the pointer that init made, and the broker calls this once, at its end.
        let plugin = unsafe { Box::from_raw(data.cast::<Plugin>()) };
        for (event, callback, detail) in callbacks() {
            // SAFETY: registered in init with the same id, event and topic.
            unsafe { mosquitto_callback_unregister(plugin.id, event, callback, detail) };
        }
        SUCCESS
    })
}

const CONTROL_TOPIC: &CStr = c"$CONTROL/yard/v1";

fn callbacks() -> [(c_int, Callback, *const c_void); 5] {
    let nothing = std::ptr::null();
    debug_assert_eq!(CONTROL_TOPIC.to_bytes(), rules::CONTROL.as_bytes());
    [
        (EVENT_ACL_CHECK, on_access, nothing),
        (EVENT_CONTROL, on_control, CONTROL_TOPIC.as_ptr().cast()),
        (EVENT_DISCONNECT, on_disconnect, nothing),
        (EVENT_RELOAD, on_reload, nothing),
        (EVENT_TICK, on_tick, nothing),
    ]
}

/// Runs a call's work; a panic must not run into the broker's C code.
fn protected(otherwise: c_int, work: impl FnOnce() -> c_int) -> c_int {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(otherwise)
}

/// Takes a callback's two pointers and does its work.
fn called<E>(
    event: *mut c_void,
    data: *mut c_void,
    otherwise: c_int,
    work: impl FnOnce(&E, &Plugin) -> c_int,
) -> c_int {
    protected(otherwise, || {
        // SAFETY: the broker passes the structure that belongs to the event it was registered for,
        // valid during this call.
        let event = unsafe { event.cast::<E>().as_ref() };
        // SAFETY: it is the pointer that init registered, not freed before cleanup, and only ever
        // borrowed as shared.
        let plugin = unsafe { data.cast::<Plugin>().as_ref() };
        match (event, plugin) {
            (Some(event), Some(plugin)) => work(event, plugin),
            _ => otherwise,
        }
    })
}

extern "C" fn on_access(_: c_int, event: *mut c_void, data: *mut c_void) -> c_int {
    called(event, data, DEFER, |check: &AclCheck, plugin| {
        let access = match check.access {
            ACCESS_WRITE => Access::Publish,
            ACCESS_SUBSCRIBE => Access::Subscribe,
            ACCESS_READ => Access::Receive,
            _ => return DEFER,
        };
        // SAFETY: the client lives during this call.
        let identity = unsafe { mosquitto_client_username(check.client) };
        let (Some(identity), Some(topic)) = (text(identity), text(check.topic)) else {
            return ACL_DENIED;
        };
        let payload = bytes(check.payload, check.payload_len);
        let Ok(mut guard) = plugin.guard.try_borrow_mut() else {
            return DEFER;
        };
        match guard.access(identity, topic, access, payload) {
            Verdict::Allow => SUCCESS,
            Verdict::Defer => DEFER,
            Verdict::Deny => ACL_DENIED,
        }
    })
}

extern "C" fn on_control(_: c_int, event: *mut c_void, data: *mut c_void) -> c_int {
    called(event, data, SUCCESS, |control: &Control, plugin| {
        // SAFETY: the client lives during this call.
        let identity = text(unsafe { mosquitto_client_username(control.client) });
        let payload = bytes(control.payload, control.payload_len);
        let wish = plugin.guard.try_borrow_mut().ok().zip(identity);
        let kick = wish.and_then(|(mut guard, identity)| guard.kick_begins(identity, payload));
        let Some((kick, device)) =
            kick.and_then(|kick| CString::new(kick.device.as_str()).ok().map(|d| (kick, d)))
        else {
            return SUCCESS;
        };
        // SAFETY: a terminated string that outlives the call. It calls us back for each connection
        // that it ends, and for their wills; nothing is borrowed here.
        unsafe { mosquitto_kick_client_by_username(device.as_ptr(), true) };
        let answer = plugin.guard.try_borrow_mut().map(|mut guard| guard.kick_ends(&kick));
        if let Ok(answer) = answer {
            publish(&answer);
        }
        SUCCESS
    })
}

extern "C" fn on_disconnect(_: c_int, event: *mut c_void, data: *mut c_void) -> c_int {
    called(event, data, SUCCESS, |gone: &Disconnect, plugin| {
        // SAFETY: the client lives during this call.
        let identity = text(unsafe { mosquitto_client_username(gone.client) });
        // SAFETY: as above.
        let source = text(unsafe { mosquitto_client_address(gone.client) });
        if let Ok(mut guard) = plugin.guard.try_borrow_mut() {
            guard.disconnected(identity, source.unwrap_or_default());
        }
        SUCCESS
    })
}

extern "C" fn on_reload(_: c_int, _event: *mut c_void, data: *mut c_void) -> c_int {
    called(data, data, SUCCESS, |_: &Plugin, plugin| {
        // The broker has loaded its certificates and lists just before.
        let list = list_number(plugin.list_file.as_ref());
        if let Ok(mut guard) = plugin.guard.try_borrow_mut() {
            guard.reloaded(list);
        }
        SUCCESS
    })
}

extern "C" fn on_tick(_: c_int, _event: *mut c_void, data: *mut c_void) -> c_int {
    called(data, data, SUCCESS, |_: &Plugin, plugin| {
        let reports = match plugin.guard.try_borrow_mut() {
            Ok(mut guard) => {
                if !guard.turn_ended() {
                    return SUCCESS;
                }
                guard.due(Instant::now())
            }
            Err(_) => return SUCCESS,
        };
        for report in &reports {
            publish(report);
        }
        SUCCESS
    })
}

fn list_number(file: Option<&PathBuf>) -> Option<u64> {
    let mut first = Vec::new();
    let file = std::fs::File::open(file?).ok()?;
    file.take(FIRST_LINE).read_to_end(&mut first).ok()?;
    guard::list_number(&first)
}

/// Queues a message; the broker delivers it in its next turn, to those who may receive it.
fn publish(report: &Report) {
    let (Ok(topic), Ok(len)) = (CString::new(report.topic), c_int::try_from(report.payload.len()))
    else {
        return;
    };
    let (payload, nothing) = (report.payload.as_ptr().cast(), std::ptr::null_mut());
    let client = report.only_for.as_deref().and_then(|name| CString::new(name).ok());
    let to = client.as_deref().map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: client, topic and payload live during the call, which copies all three.
    let code = unsafe {
        mosquitto_broker_publish_copy(to, topic.as_ptr(), len, payload, 1, false, nothing)
    };
    if code != SUCCESS {
        log(c"yard: the broker did not take a report");
    }
}

fn log(line: &CStr) {
    // SAFETY: the format takes one string, and it is given one that is terminated.
    unsafe { mosquitto_log_printf(LOG_ERROR, c"%s".as_ptr(), line.as_ptr()) };
}

/// A C string that outlives the call we are in; `None` for no string.
fn text<'c>(pointer: *const c_char) -> Option<&'c [u8]> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: the broker's strings are terminated and not changed while it waits for us.
    Some(unsafe { CStr::from_ptr(pointer) }.to_bytes())
}

/// A message's bytes, for as long as the call we are in.
fn bytes<'c>(pointer: *const c_void, len: u32) -> &'c [u8] {
    let len = usize::try_from(len).unwrap_or_default();
    if pointer.is_null() || len == 0 {
        return &[];
    }
    // SAFETY: the broker gives pointer and length of one payload that it does not change meanwhile.
    unsafe { std::slice::from_raw_parts(pointer.cast(), len) }
}

fn setting(settings: *const Setting, count: c_int, wanted: &str) -> Option<String> {
    let count = usize::try_from(count).ok()?;
    if settings.is_null() {
        return None;
    }
    // SAFETY: the broker passes an array of `count` settings that lives during this call.
    let settings = unsafe { std::slice::from_raw_parts(settings, count) };
    let found = settings.iter().find(|one| text(one.key) == Some(wanted.as_bytes()))?;
    Some(String::from_utf8_lossy(text(found.value)?).into_owned())
}
