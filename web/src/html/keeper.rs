//! What keeps together a page and what a person does on it: drafts outlive a reload and a restart, and keys lead from
//! card to card. Constant expressions, as everywhere; what a person typed is only ever a value or a text.

use horrorshow::{Render, owned_html};

/// Puts a draft back into the card that enters the page.
pub(super) const RESTORE: &str = "$_watch(el); $_restore(el)";
/// The same for the form of a message.
pub(super) const RESTORE_MESSAGE: &str = "$_restore($_place(el))";
/// Greets a card that has taken the place of the one a person has just sent.
pub(super) const SETTLED: &str = "$_watch(el); $_sentLast === el.id && document.activeElement === document.body && \
    el.focus({preventScroll: true})";
/// Ends a card that has faded, and the draft that went out with it.
pub(super) const FADED: &str = "evt.target === el && ($_unsent(el) || $_store(el), el.remove())";

/// Counts the questions that are alike: the signals come with the inbox.
pub(super) const ALIKE: &str = "$_alikeWords($_alike[el.pathname.slice(7)])";
/// What a note says, and its look.
pub(super) const NOTE: &str = "$_notes[el.id].text ?? ''";
pub(super) const NOTE_LOOK: &str = "$_noteLook($_notes[el.id].ok)";

/// Words that many elements share: the shorter their expressions, the smaller every frame. A form is sent once: not again
/// by itself when the daemon is back, as its sender may mean something else by then, and no matter whether the tab is
/// looked at. Nor does a second click take it back.
const WORDS: &str = "\
    $_once = {contentType: 'form', requestCancellation: 'disabled', openWhenHidden: true, retryMaxCount: 0};
    $_alikeWords = (count) => count > 1 ? count + ' equal questions: answer or dismiss all' : 'Dismiss';
    $_noteLook = (ok) => ok === undefined ? 'note' : ok ? 'note ok' : 'note error';";

/// Lets no click through to a card that has just come or moved: whoever clicks meant what was there a moment ago. A card
/// comes, goes or grows: the size of one changes, or of the page, before either is painted. An animation keeps clicks
/// off, as it ends by itself and no patch takes it away. Keys go where the focus is, and that moves along.
const STEADY: &str = "\
    const tops = new WeakMap(), sizes = new ResizeObserver(() => document.querySelectorAll('.card').forEach((card) => {
        const top = card.getBoundingClientRect().top + scrollY;
        if (Math.abs(top - tops.get(card)) < 4) return;
        tops.set(card, top);
        card.animate({pointerEvents: ['none', 'none']}, 600)
    }));
    $_watch = (card) => sizes.observe(card);
    sizes.observe(document.body);";

/// The drafts, each under the hash of its question, or of the agent that a message is for, in the browser's own storage. A draft is sent (and kept, should it be
/// refused or taken back) or not (and shown, should somebody else have answered). Storage may be full or forbidden:
/// then there are no drafts. Old ones go at the next visit.
const DRAFTS: &str = "\
    $_place = (el) => el.closest('article, .message');
    $_key = (el) => 'remora-draft-' + el.id.slice(el.id.indexOf('-') + 1);
    $_draft = (el) => { try { return JSON.parse(localStorage.getItem($_key(el))) } catch { return null } };
    $_store = (el, draft) => {
        try { draft ? localStorage.setItem($_key(el), JSON.stringify(draft)) : localStorage.removeItem($_key(el)) }
        catch {}
        $_drafts = Math.random()
    };
    $_choice = (field) => field.type === 'radio' || field.type === 'checkbox';
    $_fields = (el) => [...(el.querySelector('form.answer')?.elements ?? [])].filter((field) =>
        field.name && !['hidden', 'submit', 'button', 'fieldset', 'output', 'file'].includes(field.type));
    $_save = (el) => {
        const fields = $_fields(el);
        const values = fields.map((field) => $_choice(field) ? field.checked
            : field.multiple ? [...field.selectedOptions].map((option) => option.value) : field.value);
        const texts = fields.map((field, at) => $_choice(field) ? field.checked ? field.value : '' : '' + values[at]);
        const text = texts.filter((text) => text.trim()).join('\\n');
        $_store(el, text && {at: Date.now(), names: fields.map((field) => field.name), values, text})
    };
    $_restore = (el) => {
        const draft = $_draft(el), fields = $_fields(el);
        $_notes[el.id.replace('q-', 'note-')] = {ok: true, text: ''};
        if (!draft?.names || draft.names.join() !== fields.map((field) => field.name).join()) return;
        fields.forEach((field, at) => {
            const value = draft.values[at];
            if ($_choice(field)) field.checked = value === true;
            else if (field.multiple) [...field.options].forEach((option) => option.selected = value.includes(option.value));
            else field.value = '' + value;
            if (value === true || value.length) field.closest('details')?.setAttribute('open', '');
            field.dispatchEvent(new Event('input', {bubbles: true}))
        })
    };
    $_unsent = (el) => {
        const draft = $_draft(el);
        return draft && (!draft.sent || $_refused[$_key(el)]) ? draft.text : ''
    };
    try {
        Object.keys(localStorage).filter((key) => key.startsWith('remora-draft-')).forEach((key) => {
            let draft; try { draft = JSON.parse(localStorage.getItem(key)) } catch {}
            if (Date.now() - (draft?.at ?? 0) > (draft?.sent ? 1 : 30) * 864e5) localStorage.removeItem(key)
        })
    } catch {}";

/// Tells of a text that is to be JSON and is not, at its field: when its author pauses, and before it is sent.
const CHECKED: &str = "\
    let pause;
    $_check = (field) => {
        let wrong = '';
        try { field.value.trim() && JSON.parse(field.value) } catch (error) { wrong = 'This is not valid JSON: ' + error.message }
        const told = document.getElementById(field.id + '-error');
        field.setCustomValidity(wrong);
        field.setAttribute('aria-invalid', !!wrong);
        field.closest('.field').classList.toggle('wrong', !!wrong);
        told.textContent = wrong;
        told.hidden = !wrong;
        wrong && field.closest('details')?.setAttribute('open', '')
    };
    $_checkSoon = (field) => {
        clearTimeout(pause);
        pause = setTimeout($_check, field.closest('.wrong') ? 0 : 700, field)
    };";

/// Checks before an approval. What is rejected is not read.
const DECIDE: &str = "\
    const decision = evt.target.closest?.('.decide button');
    decision?.form.querySelectorAll('[data-format=json]').forEach((field) =>
        decision.value === 'reject' ? field.setCustomValidity('') : $_check(field))";

/// Keeps what was typed or chosen, until it is sent.
const KEEP: &str = "\
    const place = evt.target.form?.matches('form.answer') && $_place(evt.target);
    if (place) {
        $_save(place);
        place.matches('.message') && ($_notes['message-note'] = {ok: true, text: ''})
    }
    evt.target.matches('[data-format=json]') && $_checkSoon(evt.target)";

/// Leaves out of an address what was not looked for.
const SOUGHT: &str =
    "evt.target.method === 'get' && [...evt.formData].forEach(([name, value]) => value || evt.formData.delete(name))";

/// Marks a draft as sent.
const SEND: &str = "\
    const place = evt.target.matches('form.answer') && $_place(evt.target);
    if (place) {
        $_sentLast = place.id;
        $_draft(place) && $_store(place, {...$_draft(place), sent: true, at: Date.now()})
    }";

/// Tells at a form what became of sending it where its reply does not: while it is on its way, nothing of the last time.
const SENDING: &str = "\
    const form = evt.detail.el, status = evt.detail.argsRaw.status;
    const said = {
        started: {ok: true, text: ''},
        'retries-failed': {ok: false, text: 'Not sent: the daemon cannot be reached. Send it again once it is connected.'},
        error: {ok: false, text: status === '401' ? 'Not sent: log in again, in another tab, then send it again.'
            : 'Not sent: the reply was an error, ' + status + '.'}
    }[evt.detail.type];
    const note = said && form.method === 'post' && form.closest(':has(.note)')?.querySelector('.note');
    if (note) {
        $_notes[note.id] = said;
        form.matches('.answer') && $_place(form) && ($_refused[$_key($_place(form))] = !said.ok)
    }";

/// `j` and `k` lead to the next and the last card, `Enter` from a card into its form, `Escape` out of it. Wherever keys
/// mean something else already they are left alone.
const KEYS: &str = "\
    const typing = evt.target.closest?.('input, textarea, select, button, a, summary, [contenteditable]');
    const here = evt.target.closest?.('.card');
    const plain = !evt.ctrlKey && !evt.metaKey && !evt.altKey && !evt.isComposing && !evt.defaultPrevented;
    if (!plain || !$_keys) return;
    if (evt.key === 'Escape' && here && typing) return here.focus();
    if (evt.target.closest?.('input, textarea, select, [contenteditable]')) return;
    if (evt.key === 'j' || evt.key === 'k') {
        const cards = [...document.querySelectorAll('.card')];
        const next = cards[here ? cards.indexOf(here) + (evt.key === 'j' ? 1 : -1) : 0];
        next && (next.focus({preventScroll: true}), next.scrollIntoView({block: 'nearest'}), evt.preventDefault())
    }
    if (evt.key === 'Enter' && here === evt.target) {
        here.querySelector('form :is(textarea, select, input:not([type=hidden]), button)')?.focus();
        evt.preventDefault()
    }";

/// The element that listens for the whole page. It stands before all cards, whose expressions use what it defines.
pub(super) fn keeper() -> impl Render {
    let init = format!("{WORDS}\n{STEADY}\n{DRAFTS}\n{CHECKED}");
    owned_html! {
        div(id = "keeper", hidden, data-init = &init, data-on:input__window = KEEP, data-on:submit__window = SEND,
            data-on:click__window = DECIDE, data-on:formdata__window = SOUGHT, data-on:keydown__window = KEYS, data-on:datastar-fetch = SENDING);
        p(id = "announcement", class = "unseen", role = "status");
    }
}

/// A draft that was not sent because somebody else was faster, or nobody reads it any more, until its author dismisses it.
pub(super) fn kept_draft() -> impl Render {
    owned_html! {
        div(class = "draft", hidden, data-attr:hidden = "!($_drafts, $_unsent($_place(el)))") {
            p : "Your draft, not sent";
            pre(tabindex = "0", data-text = "$_drafts, $_unsent($_place(el))");
            button(type = "button", class = "plain", data-on:click = "$_store($_place(el))") : "Dismiss";
        }
    }
}
