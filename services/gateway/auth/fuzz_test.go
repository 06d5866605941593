package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"backupmonitor/services/internal/store"
)

// FuzzToken: whatever text is shown, what is accepted was signed with our
// secret, byte for byte.
func FuzzToken(f *testing.F) {
	tk, err := NewTokens(key, []byte(strings.Repeat("p", MinSecretBytes)), time.Hour, func() time.Time { return now })
	if err != nil {
		f.Fatal(err)
	}
	u := store.User{ID: "jo", PasswordHash: "hash"}
	session, err := tk.Issue(u)
	if err != nil {
		f.Fatal(err)
	}
	ticket, _, err := tk.IssueTicket(Caller{User: u, Expires: now.Add(time.Hour)})
	if err != nil {
		f.Fatal(err)
	}
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))
	for _, seed := range []string{
		"", ".", "..", "...", session, ticket, session + ".", session[:len(session)-1], none + "." + strings.Split(session, ".")[1] + ".",
		"bmt_abc_def", "bmt__", "bmt_", strings.Repeat("a.", 1000), "eyJhbGciOiJIUzI1NiJ9.e30.", "\x00.\xff.\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, serr := tk.Verify(text)
		_, terr := tk.VerifyTicket(text)
		if serr == nil && terr == nil {
			t.Fatalf("%q is a session and a ticket", text)
		}
		if serr == nil || terr == nil {
			i := strings.LastIndexByte(text, '.')
			m := hmac.New(sha256.New, key)
			m.Write([]byte(text[:i]))
			if text[i+1:] != base64.RawURLEncoding.EncodeToString(m.Sum(nil)) {
				t.Fatalf("%q is accepted", text)
			}
		}
		if id, ok := apiTokenID(text); ok && (strings.Contains(id, "_") || len(text) > 100 || !strings.HasPrefix(text, tokenPrefix)) {
			t.Fatalf("%q is an API token of id %q", text, id)
		}
	})
}

// FuzzPassword: any text is a password that can be hashed, or it is refused.
func FuzzPassword(f *testing.F) {
	for _, seed := range []string{"", "password", "correct horse battery", strings.Repeat("x", 73), "a\x00b", "пароль", "\xff\xfe\xfd12345678", "12345678"} {
		f.Add("jo", seed)
	}
	f.Fuzz(func(t *testing.T, user, password string) {
		if err := CheckPassword(user, password); err == nil && (len(password) > maxPasswordBytes || len(password) < MinPasswordLength) {
			t.Errorf("%q is taken", password)
		}
		WellFormed(password)
	})
}
