package smbserver

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// FuzzAnswer feeds frames to a conversation and looks at what it answers. The first byte says which conversation:
// fresh, negotiated, or signed in; there every message that can be told apart is given the session's ids and signature,
// so that what lies behind the checks is reached too.
func FuzzAnswer(f *testing.F) {
	for _, seed := range fuzzSeeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) < 1 || len(input) > maxRequest {
			return
		}
		kind, frame := input[0], bytes.Clone(input[1:])
		k := newTalk(t, files(50)...)
		dialect := all()[int(kind>>2)%len(all())]
		if kind&3 > 0 {
			k.negotiate(dialect)
		}
		if kind&3 > 1 {
			if status := k.signIn(testPassword); status != StatusOK {
				t.Fatalf("sign in: %v", status)
			}
			k.ok(TreeConnect, treeConnectBody(`\\host\d$`))
			k.open("folder")
			k.open("file")
			k.adopt(frame, kind&3 == 3)
		}
		response, err := k.c.answer(frame)
		if err != nil || response == nil {
			return
		}
		checkFrame(t, response.Frame)
	})
}

// adopt gives each message of a frame the ids it needs and signs it. Without rewriting, the tree stays as it is.
func (k *talk) adopt(frame []byte, rewrite bool) {
	le := binary.LittleEndian
	for rest := frame; ; {
		h, ok := decodeHeader(rest)
		if !ok {
			return
		}
		message := rest
		if h.next != 0 && h.next < uint32(len(rest)) && h.next >= headerSize {
			message = rest[:h.next]
		}
		rest = rest[len(message):]
		if h.command != SessionSetup {
			le.PutUint64(message[40:], k.session)
		}
		le.PutUint64(message[24:], k.next)
		le.PutUint16(message[6:], 16)
		k.next += 16
		if k.c.negotiated.dialect == dialect202 {
			k.next -= 15
		}
		if rewrite {
			le.PutUint32(message[36:], k.tree)
		}
		k.signer.sign(message)
	}
}

// checkFrame expects whole messages, chained rightly, of a size that was to be expected.
func checkFrame(t *testing.T, frame []byte) {
	t.Helper()
	if int(binary.BigEndian.Uint32(frame)) != len(frame)-4 {
		t.Fatalf("frame of %d bytes says it has %d", len(frame), binary.BigEndian.Uint32(frame))
	}
	for rest := frame[4:]; len(rest) > 0; {
		h, ok := decodeHeader(rest)
		if !ok || h.flags&flagResponse == 0 || len(rest) < headerSize+4 {
			t.Fatalf("answer is malformed: %x", rest)
		}
		if h.next == 0 {
			return
		}
		if h.next%8 != 0 || int(h.next) >= len(rest) {
			t.Fatalf("next message at %d of %d", h.next, len(rest))
		}
		rest = rest[h.next:]
	}
}

// fuzzSeeds are a request of each command, and some that hang together.
func fuzzSeeds(t testing.TB) [][]byte {
	k := newTalk(t)
	seeds := [][]byte{
		append([]byte{0}, smb1Negotiate("NT LM 0.12", "SMB 2.002", "SMB 2.???")...),
		append([]byte{0}, k.message(Negotiate, 0, negotiateRequest(all()...))...),
	}
	plain := func(kind byte, command Command, body []byte) {
		seeds = append(seeds, append([]byte{kind}, k.message(command, 0, body)...))
	}
	k.next = 1
	plain(1|4<<2, SessionSetup, sessionSetupRequest(ntlmNegotiate()))
	mechs := der(derContext0, der(derSequence, der(derOID, []byte(oidNTLMSSP))))
	token := der(derContext0+2, der(derOctets, ntlmNegotiate()))
	init := der(derApp0, der(derOID, []byte(oidSPNEGO)), der(derContext0, der(derSequence, mechs, token)))
	plain(1|1<<2, SessionSetup, sessionSetupRequest(init))
	for _, kind := range []byte{3, 3 | 4<<2} {
		plain(kind, TreeConnect, treeConnectBody(`\\host\IPC$`))
		plain(kind, Create, createRequest(`folder\none`, 0x81, 0))
		plain(kind, QueryDirectory, queryDirectoryRequest(fileID(1), infoBothDirectory, 0, `f*1?.bak`, 1000))
		plain(kind, QueryInfo, queryInfoRequest(fileID(2), 1, 18, 4096))
		plain(kind, QueryInfo, queryInfoRequest(fileID(2), 2, 7, 4096))
		plain(kind, Read, readRequest(fileID(2), 4096, 8, 0))
		plain(kind, Close, closeRequest(fileID(2)))
		plain(kind, Ioctl, ioctlRequest(0x140204, make([]byte, 26)))
		for _, command := range []Command{Logoff, TreeDisconnect, Echo, Cancel} {
			plain(kind, command, []byte{4, 0, 0, 0})
		}
		for _, command := range []Command{Flush, Write, Lock, ChangeNotify, SetInfo, OplockBreak} {
			body := make([]byte, 64)
			body[0] = byte(bodySize(command))
			plain(kind, command, body)
		}
	}
	ones := bytes.Repeat([]byte{0xFF}, 16)
	k.signer = &signer{mac: func([]byte) [16]byte { return [16]byte{} }}
	chained := k.related(
		func() (Command, []byte) { return Create, createRequest("folder", 0x81, 0) },
		func() (Command, []byte) { return QueryDirectory, queryDirectoryRequest(ones, infoNames, 0, "*", 4096) },
		func() (Command, []byte) { return Close, closeRequest(ones) },
	)
	return append(seeds, append([]byte{3 | 4<<2}, chained...))
}

// FuzzSignIn feeds both messages of a sign-in, raw or in SPNEGO.
func FuzzSignIn(f *testing.F) {
	message, _ := ntlmAuthenticate(make([]byte, 64), testPassword)
	f.Add(ntlmNegotiate(), message)
	f.Add(encodeSPNEGO(spnegoIncomplete, true, ntlmNegotiate(), nil), encodeSPNEGO(spnegoIncomplete, false, message, make([]byte, 16)))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		c := newConversation(New(Config{Host: testHost{}}))
		s := &session{}
		if _, err := c.signIn(s, first); statusOf(err) == StatusOK {
			t.Error("signed in with the first message")
		}
		if _, err := c.signIn(s, second); statusOf(err) == StatusOK {
			t.Error("signed in without knowing the challenge")
		}
	})
}

// FuzzPattern holds the pattern against a name; what is fixed is that it ends, and that a name matches itself.
func FuzzPattern(f *testing.F) {
	f.Add("*.bak", "file.bak")
	f.Add(`<>"?*`, "a.b.c")
	f.Fuzz(func(t *testing.T, wild, name string) {
		if len(wild) > 512 || len(name) > 512 {
			return
		}
		newPattern(wild).matches(name)
		if p := pattern(fold(name)); !bytes.ContainsAny([]byte(name), `*?<>"`) && !p.matches(name) {
			t.Errorf("%q does not match itself", name)
		}
	})
}
