package smbserver

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestCMAC uses the examples of RFC 4493, section 4.
func TestCMAC(t *testing.T) {
	t.Parallel()
	mac := newCMAC([16]byte(unhex(t, "2b7e1516 28aed2a6 abf71588 09cf4f3c")))
	message := unhex(t, "6bc1bee2 2e409f96 e93d7e11 7393172a ae2d8a57 1e03ac9c 9eb76fac 45af8e51"+
		"30c81c46 a35ce411 e5fbc119 1a0a52ef f69f2445 df4f9b17 ad2b417b e66c3710")
	for n, want := range map[int]string{
		0: "bb1d6929e95937287fa37d129b756746", 16: "070a16b46b4d4144f79bdd9dd04a287c",
		40: "dfa66747de9ae63030ca32611497c827", 64: "51f0bebf7e3b9d92fc49741779363cfe",
	} {
		if got := mac(message[:n]); hex.EncodeToString(got[:]) != want {
			t.Errorf("%d bytes: %x, want %s", n, got, want)
		}
	}
	long := mac(make([]byte, 100_000))
	if again := mac(make([]byte, 100_000)); long != again {
		t.Error("the same message has two signatures")
	}
}

// TestPasswordKey uses the example of [MS-NLMP] 4.2.4.1.1.
func TestPasswordKey(t *testing.T) {
	t.Parallel()
	got := passwordKey("Password", "User", encodeUTF16("Domain"))
	if want := "0c868a403bfd7a93a3001ef22ef02e3f"; hex.EncodeToString(got[:]) != want {
		t.Errorf("%x, want %s", got, want)
	}
}

// TestNTLMExample signs in as [MS-NLMP] 4.2.4 does, up to the session base key.
func TestNTLMExample(t *testing.T) {
	t.Parallel()
	n := ntlm{challenge: append(make([]byte, 24), unhex(t, "0123456789abcdef")...)}
	temp := unhex(t, "01010000 00000000 00000000 00000000 aaaaaaaa aaaaaaaa 00000000"+
		"02000c00 44006f00 6d006100 69006e00 01000c00 53006500 72007600 65007200 00000000 00000000")
	response := append(unhex(t, "68cd0ab8 51e51c96 aabc927b ebef6a1c"), temp...)
	domain, user := encodeUTF16("Domain"), encodeUTF16("User")
	m := append([]byte(ntlmSignature), 3, 0, 0, 0)
	at := 64
	m = appendField(m, 0, at)
	for _, field := range [][]byte{response, domain, user, nil, nil} {
		m = appendField(m, len(field), at)
		at += len(field)
	}
	m = append(m, 0, 0, 0, 0)
	for _, field := range [][]byte{response, domain, user} {
		m = append(m, field...)
	}
	find := func(name string) (Account, bool) { return Account{Password: "Password"}, name == "User" }
	if _, err := n.authenticate(m, find); err != nil {
		t.Fatal(err)
	}
	if want := "8de40ccadbc14a82f15cb0ad0de95ca3"; hex.EncodeToString(n.sessionKey[:]) != want {
		t.Errorf("session key %x, want %s", n.sessionKey, want)
	}
	m[len(m)-1]++
	if _, err := n.authenticate(m, find); statusOf(err) != StatusLogonFailure {
		t.Errorf("another user: %v", err)
	}
}

func TestFiletime(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		at   time.Time
		want uint64
	}{
		{time.Time{}, 0},
		{time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC), 0},
		{time.Date(1601, 1, 1, 0, 0, 0, 100, time.UTC), 1},
		{time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), 116444736000000000},
		{time.Date(1969, 12, 31, 23, 59, 59, 999999900, time.UTC), 116444735999999999},
		{time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC), 283696992000000000},
	} {
		if got := filetime(test.at); got != test.want {
			t.Errorf("%s is %d, want %d", test.at, got, test.want)
		}
	}
}

// TestSPNEGO reads what a client may say first.
func TestSPNEGO(t *testing.T) {
	t.Parallel()
	kerberos := der(derOID, unhex(t, "2a864886f712010202"))
	ntlmOID := der(derOID, []byte(oidNTLMSSP))
	wrap := func(mechs, token []byte) []byte {
		fields := der(derContext0, der(derSequence, mechs))
		if token != nil {
			fields = append(fields, der(derContext0+2, der(derOctets, token))...)
		}
		return der(derApp0, der(derOID, []byte(oidSPNEGO)), der(derContext0, der(derSequence, fields)))
	}
	long := make([]byte, 70_000)
	for name, test := range map[string]struct {
		in    []byte
		ok    bool
		first bool
		known bool
		token int
	}{
		"ntlm":           {wrap(ntlmOID, []byte("token")), true, true, true, 5},
		"kerberos first": {wrap(append(kerberos, ntlmOID...), []byte("ticket")), true, false, true, 6},
		"kerberos only":  {wrap(kerberos, nil), true, false, false, 0},
		"long token":     {wrap(ntlmOID, long[:60_000]), true, true, true, 60_000},
		"answer":         {encodeSPNEGO(spnegoIncomplete, true, []byte("abc"), nil), true, false, false, 3},
		"empty":          {nil, false, false, false, 0},
		"cut off":        {wrap(ntlmOID, []byte("token"))[:20], false, false, false, 0},
		"other protocol": {der(derApp0, kerberos), false, false, false, 0},
		"no length":      {[]byte{derApp0, 0x80, 0, 0}, false, false, false, 0},
		"huge length":    {[]byte{derApp0, 0x84, 0xFF, 0xFF, 0xFF, 0xFF}, false, false, false, 0},
	} {
		got, ok := decodeSPNEGO(test.in)
		if ok != test.ok || ok && (got.ntlmFirst != test.first || got.ntlmKnown != test.known || len(got.mechToken) != test.token) {
			t.Errorf("%s: %t, first %t, known %t, %d bytes of token", name, ok, got.ntlmFirst, got.ntlmKnown, len(got.mechToken))
		}
	}
}

// TestSPNEGOWithoutOptimism offers another mechanism first, so that NTLM takes one more step.
func TestSPNEGOWithoutOptimism(t *testing.T) {
	t.Parallel()
	k := newTalk(t)
	k.negotiate(dialect210)
	mechs := der(derSequence, der(derOID, unhex(t, "2a864886f712010202")), der(derOID, []byte(oidNTLMSSP)))
	init := der(derApp0, der(derOID, []byte(oidSPNEGO)), der(derContext0, der(derSequence, der(derContext0, mechs))))
	step := func(token []byte, want Status) []byte {
		t.Helper()
		h, message := k.ask(SessionSetup, sessionSetupRequest(token))
		if h.status != want {
			t.Fatalf("answered with %v, want %v", h.status, want)
		}
		if want != StatusOK && want != StatusMoreProcessingRequired {
			return nil
		}
		reply, ok := decodeSPNEGO(message[headerSize+8:])
		if !ok {
			t.Fatalf("answered with %x", message)
		}
		return reply.mechToken
	}
	step(init, StatusMoreProcessingRequired)
	challenge := step(encodeSPNEGO(spnegoIncomplete, false, ntlmNegotiate(), nil), StatusMoreProcessingRequired)
	response, _ := ntlmAuthenticate(challenge, testPassword)
	step(encodeSPNEGO(spnegoIncomplete, false, response, make([]byte, 16)), StatusLogonFailure) // a wrong MIC
}
