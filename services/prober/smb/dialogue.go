package smb

import "slices"

// misbehaviour is what a server may not do, as the beginning of a sentence. The
// client library would overlook most of it, and wait for what never comes.
type misbehaviour string

func (m misbehaviour) Error() string { return string(m) }

const (
	errNotSMB   misbehaviour = "the server sent what is not SMB"
	errSMB1     misbehaviour = "the server answered in SMB 1, which is not safe and not supported,"
	errCompound misbehaviour = "the server chained answers that were not asked for together"
	errUnasked  misbehaviour = "the server answered what it was not asked"
	errDialect  misbehaviour = "the server chose an SMB dialect that it was not offered"
	errListing  misbehaviour = "the server sent a malformed listing"
	errTooLarge misbehaviour = "the server announced a message that is too large"
)

// unsolicited is the message id of what a server says of its own accord, such
// as that an oplock is broken; [MS-SMB2] 2.2.1. We hold nothing to be told of.
const unsolicited = 1<<64 - 1

// statusPending is an interim answer: the real one follows; [MS-SMB2] 3.3.4.2.
const statusPending = 0x00000103

// dialogue holds the server to answering what it was asked, each once and
// alone in its frame.
//
// The library is less strict, and that can be used against it. The answer that
// ends the sign-in says whether we are a guest, whose further answers need no
// signature; nobody checks the signature of that answer itself. A server that
// does not know the password may therefore claim it, and everything it lists
// would be believed, unless [sighting] sees the claim. So what sighting reads
// must be the very answer that the library takes, and not one that the library
// skips because nobody asked. Also, what arrives before the session stands is
// never verified, however late it is looked at.
type dialogue struct {
	open      map[uint64]uint16 // commands without an answer, by message id
	encrypted bool              // we have begun to encrypt
}

// ask notes a message that is about to leave.
func (d *dialogue) ask(m message) {
	switch {
	case m.encrypted():
		d.encrypted = true
	case m.plain() && m.command() != commandCancel:
		if d.open == nil {
			d.open = map[uint64]uint16{}
		}
		d.open[m.id()] = m.command()
	}
}

// answer tells whether a message may be one. solicited is false for what says
// nothing to us.
func (d *dialogue) answer(m message) (solicited bool, err error) {
	switch {
	case m.encrypted() && d.encrypted:
		return false, nil // what it holds has been verified when it is read
	case m.smb1():
		return false, errSMB1
	case !m.plain():
		return false, errNotSMB
	case m.next() != 0:
		return false, errCompound
	case m.id() == unsolicited:
		return false, nil
	}
	command, ok := d.open[m.id()]
	if !ok || command != m.command() || !m.isAnswer() {
		return false, errUnasked
	}
	if m.status() != statusPending {
		delete(d.open, m.id())
	}
	if n, ok := m.negotiated(); ok && !slices.Contains([]uint16{0x0202, 0x0210, 0x0300, 0x0302, 0x0311}, n.dialect) {
		return false, errDialect
	}
	return true, nil
}
