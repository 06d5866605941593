package smbserver

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testUser, testPassword = "reader", "pass word"

// testHost is a host with one share, d$, that holds a folder of files and a file.
type testHost struct{ files []Entry }

func (testHost) Name() string     { return "TESTHOST" }
func (testHost) Clock() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC) }

func (testHost) Account(user string) (Account, bool) {
	return Account{Password: testPassword}, strings.EqualFold(user, testUser)
}

func (h testHost) Share(name string) (Volume, error) {
	if !strings.EqualFold(name, "d$") {
		return nil, StatusBadNetworkName
	}
	return testVolume(h), nil
}

type testVolume testHost

func (testVolume) Space() (free, total int64) { return 1 << 30, 1 << 40 }

func (v testVolume) Open(path string) (Node, error) {
	switch path {
	case "", "folder":
		return Node{Entry: Entry{Name: path, Dir: true}, Entries: testListing(v.files)}, nil
	case "file":
		return Node{Entry: Entry{Name: path, Size: 100_000}, Content: strings.NewReader(strings.Repeat("content ", 12_500))}, nil
	}
	return Node{}, StatusObjectNameNotFound
}

type testListing []Entry

func (l testListing) Len() int          { return len(l) }
func (l testListing) Entry(i int) Entry { return l[i] }

// talk is a client that holds a conversation with a server, message by message, without a connection.
type talk struct {
	t       testing.TB
	c       *conversation
	next    uint64
	session uint64
	tree    uint32
	file    uint64
	signer  *signer
}

func newTalk(t testing.TB, files ...Entry) *talk {
	return &talk{t: t, c: newConversation(New(Config{Host: testHost{files}}))}
}

// signedIn has negotiated, signed in, and opened the share.
func signedIn(t testing.TB, dialect uint16, files ...Entry) *talk {
	t.Helper()
	k := newTalk(t, files...)
	k.negotiate(dialect)
	if status := k.signIn(testPassword); status != StatusOK {
		t.Fatalf("sign in: %v", status)
	}
	k.ok(TreeConnect, treeConnectBody(`\\host\d$`))
	return k
}

// message is one request, signed if there is a key.
func (k *talk) message(command Command, flags uint32, body []byte) []byte {
	h := header{command: command, charge: 16, credits: 64, flags: flags, messageID: k.next, treeID: k.tree, sessionID: k.session}
	k.next += 16
	if k.signer == nil || command == Negotiate {
		h.charge, k.next = 1, k.next-15
	}
	b := append(h.append(nil), body...)
	if k.signer != nil {
		k.signer.sign(b)
	}
	return b
}

// ask sends one request and takes its answer.
func (k *talk) ask(command Command, body []byte) (header, []byte) {
	k.t.Helper()
	return k.send(k.message(command, 0, body))
}

func (k *talk) send(frame []byte) (header, []byte) {
	k.t.Helper()
	r, err := k.c.answer(frame)
	if err != nil || r == nil {
		k.t.Fatalf("no answer: %v", err)
	}
	h, ok := decodeHeader(r.Frame[4:])
	if !ok || int(binary.BigEndian.Uint32(r.Frame)) != len(r.Frame)-4 {
		k.t.Fatalf("answer is malformed: %x", r.Frame)
	}
	switch h.command {
	case SessionSetup:
		k.session = h.sessionID
	case TreeConnect:
		k.tree = h.treeID
	}
	return h, r.Frame[4:]
}

// ok asks, and expects success under the session's signature.
func (k *talk) ok(command Command, body []byte) []byte {
	k.t.Helper()
	h, message := k.ask(command, body)
	if h.status != StatusOK {
		k.t.Fatalf("%s is answered with %v", command, h.status)
	}
	if k.signer != nil && !k.signer.verify(message) {
		k.t.Fatalf("answer to %s is signed wrongly", command)
	}
	return message
}

func (k *talk) negotiate(dialect uint16) {
	k.t.Helper()
	k.ok(Negotiate, negotiateRequest(dialect))
}

func negotiateRequest(dialects ...uint16) []byte {
	le := binary.LittleEndian
	b := le.AppendUint16(nil, 36)
	b = le.AppendUint16(b, uint16(len(dialects)))
	b = append(b, make([]byte, 32)...)
	for _, dialect := range dialects {
		b = le.AppendUint16(b, dialect)
	}
	b = append(b, make([]byte, (8-len(b)%8)%8)...)
	le.PutUint32(b[28:], uint32(headerSize+len(b)))
	le.PutUint16(b[32:], 1)
	return append(b, preauthContext()...)
}

// signIn speaks raw NTLMSSP, without a key exchange and without a MIC.
func (k *talk) signIn(password string) Status {
	k.t.Helper()
	s, answer := k.ask(SessionSetup, sessionSetupRequest(ntlmNegotiate()))
	if s.status != StatusMoreProcessingRequired {
		k.t.Fatalf("first step is answered with %v", s.status)
	}
	response, key := ntlmAuthenticate(answer[headerSize+8:], password)
	request := k.message(SessionSetup, 0, sessionSetupRequest(response))
	hash := extend(k.c.sessions[k.session].preauth, request)
	h, message := k.send(request)
	if h.status == StatusOK {
		k.signer = newSigner(k.c.negotiated.dialect, key, hash[:])
		if !k.signer.verify(message) {
			k.t.Error("the last answer of the sign-in is signed wrongly")
		}
	}
	return h.status
}

func ntlmNegotiate() []byte {
	return binary.LittleEndian.AppendUint32(append([]byte(ntlmSignature), 1, 0, 0, 0), 0x00080205)
}

func ntlmAuthenticate(challenge []byte, password string) (message []byte, key [16]byte) {
	temp := make([]byte, 28+4)
	temp[0], temp[1] = 1, 1
	hash := passwordKey(password, testUser, nil)
	proof := hmacMD5(hash[:], challenge[24:32], temp)
	response := append(proof[:], temp...)
	user := encodeUTF16(testUser)

	b := append([]byte(ntlmSignature), 3, 0, 0, 0)
	b = appendField(b, 0, 64)
	b = appendField(b, len(response), 64)
	b = appendField(b, 0, 64)
	b = appendField(b, len(user), 64+len(response))
	b = appendField(b, 0, 64)
	b = appendField(b, 0, 64)
	b = binary.LittleEndian.AppendUint32(b, 0x00080205)
	return append(append(b, response...), user...), hmacMD5(hash[:], proof[:])
}

func sessionSetupRequest(token []byte) []byte {
	b := make([]byte, 24)
	b[0] = 25
	binary.LittleEndian.PutUint16(b[12:], headerSize+24)
	binary.LittleEndian.PutUint16(b[14:], uint16(len(token)))
	return append(b, token...)
}

func treeConnectBody(path string) []byte {
	name := encodeUTF16(path)
	b := []byte{9, 0, 0, 0, headerSize + 8, 0, 0, 0}
	binary.LittleEndian.PutUint16(b[6:], uint16(len(name)))
	return append(b, name...)
}

func createRequest(path string, access, options uint32) []byte {
	name := encodeUTF16(path)
	b := make([]byte, 56)
	b[0], b[36] = 57, dispositionOpen
	binary.LittleEndian.PutUint32(b[24:], access)
	binary.LittleEndian.PutUint32(b[40:], options)
	binary.LittleEndian.PutUint16(b[44:], headerSize+56)
	binary.LittleEndian.PutUint16(b[46:], uint16(len(name)))
	return append(b, append(name, make([]byte, 8-len(name)%8)...)...)
}

// open opens a file or folder and remembers it.
func (k *talk) open(path string) {
	k.t.Helper()
	message := k.ok(Create, createRequest(path, 0x81, 0))
	k.file = binary.LittleEndian.Uint64(message[headerSize+64:])
}

func (k *talk) id() []byte { return fileID(k.file) }

func fileID(id uint64) []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, id), id)
}

func queryDirectoryRequest(id []byte, class, flags byte, pattern string, room uint32) []byte {
	name := encodeUTF16(pattern)
	b := append([]byte{33, 0, class, flags, 0, 0, 0, 0}, id...)
	b = binary.LittleEndian.AppendUint16(b, headerSize+32)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(name)))
	b = binary.LittleEndian.AppendUint32(b, room)
	return append(append(b, name...), 0)
}

func queryInfoRequest(id []byte, kind, class byte, room uint32) []byte {
	b := binary.LittleEndian.AppendUint32([]byte{41, 0, kind, class}, room)
	return append(append(b, make([]byte, 16)...), id...)
}

func readRequest(id []byte, length uint32, offset uint64, minimum uint32) []byte {
	b := binary.LittleEndian.AppendUint32([]byte{49, 0, 0, 0}, length)
	b = append(binary.LittleEndian.AppendUint64(b, offset), id...)
	return append(binary.LittleEndian.AppendUint32(b, minimum), make([]byte, 13)...)
}

func closeRequest(id []byte) []byte { return append([]byte{24, 0, 1, 0, 0, 0, 0, 0}, id...) }

func ioctlRequest(code uint32, input []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte{57, 0, 0, 0}, code)
	b = append(b, bytes.Repeat([]byte{0xFF}, 16)...)
	b = binary.LittleEndian.AppendUint32(b, headerSize+56)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(input)))
	return append(append(b, make([]byte, 24)...), input...)
}

// names walks the entries of an answer to a directory query, which must be chained rightly.
func names(t testing.TB, message []byte, class byte) []string {
	t.Helper()
	le := binary.LittleEndian
	list, ok := part(message, headerSize+8, int(le.Uint32(message[headerSize+4:])))
	if !ok {
		t.Fatal("entries are cut off")
	}
	var all []string
	for {
		lengthAt := 60
		if class == infoNames {
			lengthAt = 8
		}
		name, ok := part(list, entryFixed(class), int(le.Uint32(list[lengthAt:])))
		if !ok {
			t.Fatal("an entry is cut off")
		}
		all = append(all, decodeUTF16(name))
		next := le.Uint32(list)
		if next == 0 {
			return all
		}
		if next%8 != 0 || int(next) >= len(list) {
			t.Fatalf("next entry at %d of %d", next, len(list))
		}
		list = list[next:]
	}
}
