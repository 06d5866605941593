package smbserver

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
)

// all are the dialects there are.
func all() []uint16 { return []uint16{dialect202, dialect210, dialect300, dialect302, dialect311} }

func files(n int) []Entry {
	entries := make([]Entry, n)
	for i := range entries {
		entries[i] = Entry{Name: fmt.Sprintf("file%04d.bak", i), Size: int64(i)}
	}
	return entries
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	for _, dialect := range all() {
		k := newTalk(t)
		k.negotiate(dialect)
		if status := k.signIn("wrong"); status != StatusLogonFailure {
			t.Errorf("%04x: wrong password is answered with %v", dialect, status)
		}
		k.session = 0
		if status := k.signIn(testPassword); status != StatusOK {
			t.Errorf("%04x: right password is answered with %v", dialect, status)
		}
		if stats := k.c.server.Stats(); stats.Sessions != 1 || stats.FailedSignIns != 1 || stats.Requests[SessionSetup] != 4 {
			t.Errorf("%04x: %+v", dialect, stats)
		}
	}
}

// TestSignaturesAreVerified spoils a request in every way a wire can.
func TestSignaturesAreVerified(t *testing.T) {
	t.Parallel()
	for _, dialect := range all() {
		for name, spoil := range map[string]func(message []byte){
			"body":      func(m []byte) { m[len(m)-2] ^= 4 },
			"signature": func(m []byte) { m[signatureOffset] ^= 1 },
			"unsigned":  func(m []byte) { m[16] &^= flagSigned; clear(m[signatureOffset:headerSize]) },
			"header":    func(m []byte) { m[14]++ },
		} {
			k := signedIn(t, dialect)
			message := k.message(Create, 0, createRequest("folder", 0x81, 0))
			spoil(message)
			if h, answer := k.send(message); h.status != StatusAccessDenied || !k.signer.verify(answer) {
				t.Errorf("%04x: request with spoilt %s is answered with %v", dialect, name, h.status)
			}
		}
	}
}

// related chains requests to one frame; all but the first name session, tree and file by all ones.
func (k *talk) related(requests ...func() (Command, []byte)) []byte {
	var frame []byte
	for i, request := range requests {
		command, body := request()
		flags := uint32(0)
		if i > 0 {
			flags = flagRelated
		}
		key := k.signer
		k.signer = nil
		message := k.message(command, flags, body)
		k.signer = key
		if i < len(requests)-1 {
			message = append(message, make([]byte, (8-len(message)%8)%8)...)
			binary.LittleEndian.PutUint32(message[20:], uint32(len(message)))
		}
		key.sign(message)
		frame = append(frame, message...)
	}
	return frame
}

// split takes a compound answer apart; each part must be signed.
func (k *talk) split(frame []byte) (statuses []Status, messages [][]byte) {
	k.t.Helper()
	for rest := frame; len(rest) > 0; {
		h, ok := decodeHeader(rest)
		if !ok {
			k.t.Fatalf("malformed answer: %x", rest)
		}
		message := rest
		if h.next != 0 {
			message = rest[:h.next]
		}
		rest = rest[len(message):]
		if !k.signer.verify(message) {
			k.t.Errorf("part %d of the answer is signed wrongly", len(statuses))
		}
		statuses, messages = append(statuses, h.status), append(messages, message)
	}
	return statuses, messages
}

func TestCompound(t *testing.T) {
	t.Parallel()
	ones := bytes.Repeat([]byte{0xFF}, 16)
	look := func(path string) []func() (Command, []byte) {
		return []func() (Command, []byte){
			func() (Command, []byte) { return Create, createRequest(path, 0x81, 0) },
			func() (Command, []byte) {
				return QueryDirectory, queryDirectoryRequest(ones, infoIDBothDirectory, 0, "*", 65536)
			},
			func() (Command, []byte) { return QueryInfo, queryInfoRequest(ones, 1, 18, 4096) },
			func() (Command, []byte) { return Close, closeRequest(ones) },
		}
	}
	for _, dialect := range all() {
		k := signedIn(t, dialect, files(3)...)
		_, frame := k.send(k.related(look("folder")...))
		statuses, messages := k.split(frame)
		if !slices.Equal(statuses, []Status{0, 0, 0, 0}) {
			t.Fatalf("%04x: answered with %v", dialect, statuses)
		}
		if got := names(t, messages[1], infoIDBothDirectory); len(got) != 5 {
			t.Errorf("%04x: listed %q", dialect, got)
		}
		if n := len(k.c.sessions[k.session].trees[k.tree].files); n != 0 {
			t.Errorf("%04x: %d files are left open", dialect, n)
		}
		_, frame = k.send(k.related(look("none")...))
		if statuses, _ := k.split(frame); !slices.Equal(statuses, slices.Repeat([]Status{StatusObjectNameNotFound}, 4)) {
			t.Errorf("%04x: a look at a missing folder is answered with %v", dialect, statuses)
		}
	}
}

// TestRefused asks for what cannot be had.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ask  func(k *talk) (header, []byte)
		want Status
	}{
		"unknown session": {func(k *talk) (header, []byte) { k.session = 999; return k.ask(Create, createRequest("", 0x81, 0)) }, StatusUserSessionDeleted},
		"unknown tree":    {func(k *talk) (header, []byte) { k.tree = 999; return k.ask(Create, createRequest("", 0x81, 0)) }, StatusNetworkNameDeleted},
		"unknown share":   {func(k *talk) (header, []byte) { return k.ask(TreeConnect, treeConnectBody(`\\h\none`)) }, StatusBadNetworkName},
		"no share":        {func(k *talk) (header, []byte) { return k.ask(TreeConnect, treeConnectBody(`d$`)) }, StatusBadNetworkName},
		"unknown file":    {func(k *talk) (header, []byte) { return k.ask(Close, closeRequest(fileID(999))) }, StatusFileClosed},
		"wild name":       {func(k *talk) (header, []byte) { return k.ask(Create, createRequest(`folder\*`, 0x81, 0)) }, StatusObjectNameInvalid},
		"leading slash":   {func(k *talk) (header, []byte) { return k.ask(Create, createRequest(`\folder`, 0x81, 0)) }, StatusInvalidParameter},
		"parent":          {func(k *talk) (header, []byte) { return k.ask(Create, createRequest(`folder\..`, 0x81, 0)) }, StatusObjectPathSyntaxBad},
		"write":           {func(k *talk) (header, []byte) { return k.ask(Create, createRequest("file", 0x2, 0)) }, StatusAccessDenied},
		"not a folder":    {func(k *talk) (header, []byte) { return k.ask(Create, createRequest("file", 0x81, optionDirectory)) }, StatusNotADirectory},
		"a folder": {func(k *talk) (header, []byte) {
			return k.ask(Create, createRequest("folder", 0x81, optionNonDirectory))
		}, StatusFileIsADirectory},
		"unknown command": {func(k *talk) (header, []byte) { return k.ask(77, make([]byte, 64)) }, StatusInvalidParameter},
		"short body":      {func(k *talk) (header, []byte) { return k.ask(Create, []byte{57, 0}) }, StatusInvalidParameter},
		"wrong size":      {func(k *talk) (header, []byte) { return k.ask(Logoff, []byte{5, 0, 0, 0}) }, StatusInvalidParameter},
		"ioctl":           {func(k *talk) (header, []byte) { return k.ask(Ioctl, ioctlRequest(0x1401FC, nil)) }, StatusNotSupported},
		"referral":        {func(k *talk) (header, []byte) { return k.ask(Ioctl, ioctlRequest(0x60194, nil)) }, StatusFSDriverRequired},
		"gone session": {func(k *talk) (header, []byte) {
			k.ok(Logoff, []byte{4, 0, 0, 0})
			return k.ask(Echo, []byte{4, 0, 0, 0})
		}, StatusUserSessionDeleted},
		"gone tree": {func(k *talk) (header, []byte) {
			k.ok(TreeDisconnect, []byte{4, 0, 0, 0})
			return k.ask(Create, createRequest("", 0x81, 0))
		}, StatusNetworkNameDeleted},
	} {
		k := signedIn(t, dialect311)
		if h, _ := test.ask(k); h.status != test.want {
			t.Errorf("%s is answered with %v, want %v", name, h.status, test.want)
		}
	}
}

// TestEnds breaks the protocol in ways that end the conversation.
func TestEnds(t *testing.T) {
	t.Parallel()
	for name, frame := range map[string]func(k *talk) []byte{
		"no message":          func(*talk) []byte { return []byte("GET / HTTP/1.1\r\n\r\n") },
		"empty":               func(*talk) []byte { return nil },
		"short":               func(k *talk) []byte { return k.message(Echo, 0, nil)[:63] },
		"second negotiate":    func(k *talk) []byte { return k.message(Negotiate, 0, negotiateRequest(dialect210)) },
		"old negotiate later": func(*talk) []byte { return smb1Negotiate("SMB 2.???") },
		"message id again":    func(k *talk) []byte { k.next = 0; return k.message(Echo, 0, []byte{4, 0, 0, 0}) },
		"message id ahead":    func(k *talk) []byte { k.next += 5000; return k.message(Echo, 0, []byte{4, 0, 0, 0}) },
		"a response":          func(k *talk) []byte { return k.message(Echo, flagResponse, []byte{4, 0, 0, 0}) },
		"next beyond":         func(k *talk) []byte { m := k.message(Echo, 0, []byte{4, 0, 0, 0}); m[21] = 1; return m },
		"next inside":         func(k *talk) []byte { m := k.message(Echo, 0, []byte{4, 0, 0, 0}); m[20] = 8; return m },
		"other negotiation":   func(k *talk) []byte { return k.message(Ioctl, 0, ioctlRequest(0x140204, make([]byte, 26))) },
	} {
		k := signedIn(t, dialect302)
		if r, err := k.c.answer(frame(k)); err == nil {
			t.Errorf("%s is answered: %+v", name, r)
		}
	}
	k := newTalk(t)
	if r, err := k.c.answer(k.message(Echo, 0, []byte{4, 0, 0, 0})); err == nil {
		t.Errorf("a request before the negotiation is answered: %+v", r)
	}
	if r, err := newTalk(t).c.answer(smb1Negotiate("NT LM 0.12")); err == nil {
		t.Errorf("a client of SMB 1 alone is answered: %+v", r)
	}
}

func smb1Negotiate(dialects ...string) []byte {
	b := append([]byte("\xffSMB\x72"), make([]byte, 30)...)
	for _, dialect := range dialects {
		b = append(append(append(b, 2), dialect...), 0)
	}
	return b
}

func TestSMB1Negotiate(t *testing.T) {
	t.Parallel()
	for offer, want := range map[string]uint16{"SMB 2.???": dialectWildcard, "SMB 2.002": dialect202} {
		k := newTalk(t)
		h, message := k.send(smb1Negotiate("NT LM 0.12", offer))
		if got := binary.LittleEndian.Uint16(message[headerSize+4:]); got != want || h.command != Negotiate {
			t.Errorf("%s is answered with dialect %04x, want %04x", offer, got, want)
		}
		k.next = 1
		if want == dialectWildcard {
			k.negotiate(dialect311)
		}
		if status := k.signIn(testPassword); status != StatusOK {
			t.Errorf("sign in after %s: %v", offer, status)
		}
	}
}

func TestNegotiateRefused(t *testing.T) {
	t.Parallel()
	withoutHash := negotiateRequest(dialect311)
	binary.LittleEndian.PutUint16(withoutHash[32:], 0)
	for name, test := range map[string]struct {
		body []byte
		want Status
	}{
		"unknown dialects": {negotiateRequest(0x0399, 0x0100), StatusNotSupported},
		"no dialects":      {negotiateRequest(), StatusInvalidParameter},
		"cut off":          {negotiateRequest(dialect210)[:36], StatusInvalidParameter},
		"no hash":          {withoutHash, StatusInvalidParameter},
	} {
		k := newTalk(t)
		if h, _ := k.ask(Negotiate, test.body); h.status != test.want {
			t.Errorf("%s: answered with %v, want %v", name, h.status, test.want)
		}
	}
}

func TestValidateNegotiate(t *testing.T) {
	t.Parallel()
	k := signedIn(t, dialect300)
	input := append(make([]byte, 22), 1, 0, 0, 3) // nothing but one dialect, as in the negotiation
	message := k.ok(Ioctl, ioctlRequest(0x140204, input))
	out := message[headerSize+48:]
	if len(out) != 24 || binary.LittleEndian.Uint16(out[22:]) != dialect300 || out[20] != securityMode {
		t.Errorf("answered with %x", out)
	}
}
