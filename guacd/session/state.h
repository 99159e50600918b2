/* What our own page is told beside the picture: the pipe stream `guac.state`, one JSON object a
 * line, each with the members that changed. A page that announced itself by the handshake opcode
 * `client` gets it as stream 0, `guac.text` (feature `text`) as stream 2; neither waits for `ack`.
 *
 *   {"role":"owner|helper|viewer","readOnly":bool}
 *   {"policy":{"copy":bool,"paste":bool,"clipboardMax":bytes},"protocol":…,"recording":bool,
 *    "session":id}                                             once
 *   {"users":[{"user":1,"name":…,"role":…,"lagMs":…}]}        all who are there, on every change
 *   {"paused":["recorder","moderator"],"why":"a sentence"}    [] when it goes on
 *   {"left":ms,"reason":"duration|idle|restart","warn":bool}   until the session ends by itself
 *   {"grace":ms}                                               the owner is gone; 0: he is back
 *   {"message":"text"}                                         from the control socket's `msg`
 *   {"ask":{"name":…,"text":…,"echo":bool,"choices":[…]}}      together with `required`
 *   {"asked":null}                                             the prompt is over
 *   {"files":[{"object":1,"name":…,"download":bool,"upload":bool,"limit":bytes}]}
 *                                                             file systems he sees, on change
 *   {"file":{"id":…,"state":"begun|done|failed|cancelled|refused",…}}
 *                                                             his own transfers: ARCHITECTURE.md
 *   {"state":{"<key>":"<value>"}}                              from the backend: "connecting", …
 */
#ifndef GUAC_SESSION_STATE_H
#define GUAC_SESSION_STATE_H

#define STATE_STREAM 0
#define TEXT_STREAM 2

#endif
