package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/crypto/bcrypt"
)

// TestUsersWithAndWithoutAnInstance: the same commands, asked of a running
// `up` and on the data directory alone, one after the other on the same users.
func TestUsersWithAndWithoutAnInstance(t *testing.T) {
	t.Parallel()
	s := newSettings(t, nil)
	ok := func(stdin string, args ...string) string {
		t.Helper()
		code, stdout, stderr := command(t, s, stdin, append([]string{"users"}, args...)...)
		if code != 0 {
			t.Fatalf("users %s: exit code %d\n%s", strings.Join(args, " "), code, stderr)
		}
		return stdout
	}
	refused := func(want, stdin string, args ...string) {
		t.Helper()
		code, _, stderr := command(t, s, stdin, append([]string{"users"}, args...)...)
		if code != 1 || !strings.Contains(stderr, want) {
			t.Errorf("users %s: exit code %d, %q", strings.Join(args, " "), code, stderr)
		}
	}
	// On the data directory alone.
	ok(testPassword+"\n", "add", testAdmin, "--type", "a", "--name", "Jo Doe")
	refused("already", "blue kettle nine\n", "add", testAdmin)
	refused("last active Admin", "", "disable", testAdmin)
	refused("at least 8 characters", "short\n", "add", "second")
	refused("no user", "", "unlock", "nobody")
	refused("no user", "blue kettle nine\n", "passwd", "nobody")
	refused("A is Admin and S is Support", "blue kettle nine\n", "add", "second", "--type", "X")
	if list := ok("", "list"); !strings.Contains(list, "admin  Jo Doe  A     active  never") {
		t.Errorf("%s", list)
	}

	in, stop := startUp(t, s) // makes no first Admin: there is one
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("green kettle ten\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ok("", "add", "support", "--password-file", file)
	token := in.signInAs("support", "green kettle ten")
	if token == "" {
		t.Fatal("the user that was made cannot sign in")
	}
	refused("last active Admin", "", "disable", testAdmin)
	ok("", "disable", "support")
	if in.signInAs("support", "green kettle ten") != "" {
		t.Error("a user who was disabled can sign in")
	}
	ok("", "enable", "support")
	for range 5 {
		in.signInAs("support", "wrong")
	}
	if list := ok("", "list"); !strings.Contains(list, "locked") {
		t.Errorf("%s", list)
	}
	ok("", "unlock", "support")
	ok("red kettle eleven", "passwd", "SUPPORT")
	if in.signInAs("support", "red kettle eleven") == "" || in.signInAs("support", "green kettle ten") != "" {
		t.Error("the new password is not the one that counts")
	}
	if code := stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if list := ok("", "list"); !strings.Contains(list, "support  support  S     active") {
		t.Errorf("%s", list)
	}
}

// TestNobodyElseIsTold: what comes over NATS is done for the command line, whoever
// it says it is from, and with a password as strong as any.
func TestNobodyElseIsTold(t *testing.T) {
	t.Parallel()
	s := newSettings(t, nil)
	in, _ := startUp(t, s)
	at := natsAddress(t, s)
	nc, err := nats.Connect(at.URL, nats.UserInfo(at.User, at.Password))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	add := func(id string, cost int) string {
		t.Helper()
		hash, err := bcrypt.GenerateFromPassword([]byte("blue kettle nine"), cost)
		if err != nil {
			t.Fatal(err)
		}
		m, err := nc.Request("ctl.users", fmt.Appendf(nil,
			`{"Op":"add","By":{"ID":"somebody","Address":"192.0.2.7"},"User":{"ID":%q,"Name":"x","Type":"S","Active":true,"PasswordHash":%q}}`, id, hash), patience)
		if err != nil {
			t.Fatal(err)
		}
		return string(m.Data)
	}
	if answer := add("weak", bcrypt.MinCost); !strings.Contains(answer, "hashed") {
		t.Errorf("%s", answer)
	}
	if answer := add("strong", 12); !strings.Contains(answer, `"Problem":""`) {
		t.Errorf("%s", answer)
	}
	for deadline := time.Now().Add(patience); ; {
		var trail any
		in.call(http.MethodGet, "/api/v1/audit", nil, http.StatusOK, &trail)
		all := fmt.Sprint(trail)
		if strings.Contains(all, "somebody") || strings.Contains(all, "192.0.2.7") {
			t.Fatalf("%s", all)
		}
		if strings.Contains(all, "strong") && strings.Contains(all, "command line") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not told of: %s", all)
		}
	}
}

// signInAs is the token of a user, "" where the sign-in is refused.
func (in *instanceUnderTest) signInAs(user, password string) string {
	in.t.Helper()
	body, err := json.Marshal(map[string]string{"userId": user, "password": password})
	if err != nil {
		in.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(in.t.Context(), http.MethodPost, in.base+"/api/v1/auth/login", strings.NewReader(string(body)))
	if err != nil {
		in.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		in.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct{ Token string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		in.t.Fatal(err)
	}
	return answer.Token
}
