// Package plainjson reads JSON that is written the plain way, as encoding/json
// writes a struct, in one pass; of anything else it says only that it is not
// plain, and encoding/json has to judge it.
//
// So it never refuses, and has no errors of its own: what it reads is what
// encoding/json would have read, with unknown fields disallowed, at a sixth of
// the time. Those who read every record of a store as it changes need that: a
// daemon, and who checks the invariants.
//
// Plain are: no space between tokens, no null, names exactly as declared and each
// once, whole numbers of at most 18 digits, strings of valid UTF-8.
package plainjson
