package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/gateway"
	"backupmonitor/services/internal/store"
)

const refusal = "Not accepted. After five failures an Admin must unlock the account."

func (e *env) user(t testing.TB, id string) store.User {
	t.Helper()
	u, err := e.store.User(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// audits reads the audit trail.
func (e *env) audits(t testing.TB) (all []events.Audited) {
	t.Helper()
	feed, err := e.nats.Log.Feed(t.Context(), events.FeedOptions{Subjects: []string{events.AllAudit}})
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Stop()
	for more := feed.Initial > 0; more; {
		r, err := feed.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ev, err := r.Decode()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, ev.Data.(events.Audited))
		more = r.Pending > 0
	}
	return all
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	e := start(t)
	type userJSON struct{ UserID, UserName, UserType, Designation, Avatar string }
	want := userJSON{"admin", "Ada", "A", "IT", "a.png"}
	in := get[struct {
		Status, Token string
		User          userJSON
	}](t, e, http.StatusOK, login(" ADMIN ", password))
	if in.Status != "success" || in.User != want {
		t.Errorf("%+v", in)
	}
	me := get[struct {
		User    userJSON
		Expires time.Time
	}](t, e, http.StatusOK, call{path: "/auth/me", token: in.Token})
	if me.User != want || time.Until(me.Expires) > time.Hour || time.Until(me.Expires) < 59*time.Minute {
		t.Errorf("%+v", me)
	}
	if u := e.user(t, "admin"); u.LoginActiveTime == nil || time.Since(*u.LoginActiveTime) > time.Minute {
		t.Errorf("%+v", u)
	}
}

// Whatever is wrong, the client hears the same.
func TestRefusedSignInsAreAlike(t *testing.T) {
	t.Parallel()
	e := start(t)
	addUser(t, e.store, store.User{ID: "gone", Name: "Gone", Type: "A"})
	addUser(t, e.store, store.User{ID: "locked", Name: "Locked", Type: "S", Active: true, LoginFalseAttempt: 5})
	if err := e.store.AddUser(t.Context(), store.User{ID: "broken", Name: "Broken", Type: "S", Active: true, PasswordHash: "plain text"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ user, password string }{
		{"nobody", password}, {"gone", password}, {"locked", password}, {"broken", "plain text"},
		{"admin", "wrong"}, {"admin", strings.Repeat("x", 73)}, {"admin", strings.Repeat("x", 72)},
	} {
		if f := get[failure](t, e, http.StatusUnauthorized, login(c.user, c.password)); f.Status != "Error" || f.Message != refusal {
			t.Errorf("%s: %+v", c.user, f)
		}
	}
	if n := e.user(t, "admin").LoginFalseAttempt; n != 3 {
		t.Errorf("%d failures counted and not 3", n)
	}
	var all []events.Audited
	eventually(t, "everything is audited", func() bool { all = e.audits(t); return len(all) == 2+7 })
	reasons := map[string]int{}
	for _, a := range all {
		if text := fmt.Sprint(a); strings.Contains(text, password) || strings.Contains(text, "nobody") || a.Address != "127.0.0.1" || a.ID == "" {
			t.Errorf("%+v", a)
		}
		reasons[string(a.Kind)+" "+a.Actor+" "+a.Details["reason"]]++
	}
	for want, n := range map[string]int{
		"signed_in admin ": 1, "signed_in support ": 1, "sign_in_failed  unknown user": 1, "sign_in_failed gone inactive": 1,
		"sign_in_failed locked locked": 1, "sign_in_failed admin wrong password": 3, "sign_in_failed broken wrong password": 1,
	} {
		if reasons[want] != n {
			t.Errorf("audited %v, without %d of %q", reasons, n, want)
		}
	}
	for _, body := range []string{`{}`, `{"userId":"admin"}`, `{"userId":"","password":"x"}`, `{"userId":1,"password":"x"}`, `{"userId":"a","password":"b","admin":true}`} {
		get[failure](t, e, http.StatusBadRequest, call{method: http.MethodPost, path: "/auth/login", body: body})
	}
	get[failure](t, e, http.StatusBadRequest, login(strings.Repeat("x", 500), "x"))                // or memory would hold it
	get[failure](t, e, http.StatusRequestEntityTooLarge, login(strings.Repeat("x", 500_000), "x")) // likewise
	if logs := e.logs.String(); strings.Contains(logs, password) || strings.Contains(logs, "Bearer") || strings.Contains(logs, e.admin) {
		t.Error("the logs hold a secret")
	}
}

// Five failures lock, however they come: at once or one after the other.
func TestTheLockIsExact(t *testing.T) {
	t.Parallel()
	e := start(t)
	var tries sync.WaitGroup
	var compared atomic.Int32
	for range 20 {
		tries.Go(func() {
			switch status, _, body := e.do(t, login("support", "wrong")); status {
			case http.StatusUnauthorized:
				compared.Add(1)
			case http.StatusTooManyRequests: // this machine is busy
			default:
				t.Errorf("a wrong password gets %d %s", status, body)
			}
		})
	}
	tries.Wait()
	counted := e.user(t, "support").LoginFalseAttempt
	if counted > int(compared.Load()) {
		t.Errorf("%d failures counted of %d compared", counted, compared.Load())
	}
	for ; counted < 5; counted++ {
		get[failure](t, e, http.StatusUnauthorized, login("support", "wrong"))
	}
	get[failure](t, e, http.StatusUnauthorized, login("support", password))

	for range 4 {
		get[failure](t, e, http.StatusUnauthorized, login("admin", "wrong"))
	}
	e.signIn(t, "admin")
	if n := e.user(t, "admin").LoginFalseAttempt; n != 0 {
		t.Errorf("after a success %d failures count", n)
	}
	for range 5 {
		get[failure](t, e, http.StatusUnauthorized, login("admin", "wrong"))
	}
	get[failure](t, e, http.StatusUnauthorized, login("admin", password))
	get[failure](t, e, http.StatusUnauthorized, login("admin", "wrong"))
	if n := e.user(t, "admin").LoginFalseAttempt; n != 5 {
		t.Errorf("%d failures counted and not 5", n)
	}
}

// Of right and wrong passwords at once, none is accepted after the fifth
// failure was counted.
func TestNoSignInAfterTheFifthFailure(t *testing.T) {
	t.Parallel()
	e := start(t)
	var tries sync.WaitGroup
	for i := range 20 {
		tries.Go(func() {
			pw := "wrong"
			if i%4 == 0 {
				pw = password
			}
			e.do(t, login("support", pw))
		})
	}
	tries.Wait()
	// A success sets the count to 0. What is left is of the failures after the
	// last success: accepted again only when they are fewer than five.
	n := e.user(t, "support").LoginFalseAttempt
	status, _, _ := e.do(t, login("support", password))
	if want := map[bool]int{true: http.StatusUnauthorized, false: http.StatusOK}[n >= 5]; status != want {
		t.Errorf("with %d failures the right password gets %d and not %d", n, status, want)
	}
}

// heldSignIn lets a right password wait between its comparison and its being
// accepted.
type heldSignIn struct {
	gateway.Store
	compared, let chan struct{}
}

func (h *heldSignIn) SignedIn(ctx context.Context, id string, at time.Time, lockAt int, notes ...store.Note) (bool, error) {
	close(h.compared)
	select {
	case <-h.let:
	case <-ctx.Done():
	}
	return h.Store.SignedIn(ctx, id, at, lockAt, notes...)
}

// A right password among wrong ones, which was looked up and found right before the
// fifth failure was counted, at another gateway, is refused all the same, as the
// audit trail says, and takes nothing from the count.
func TestARightGuessAmongFiveFailures(t *testing.T) {
	t.Parallel()
	e := start(t)
	held := &heldSignIn{Store: e.store, compared: make(chan struct{}), let: make(chan struct{})}
	slow := e.another(t, held)
	right := make(chan int, 1)
	go func() {
		status, _, _ := slow.do(t, login("support", password))
		right <- status
	}()
	select {
	case <-held.compared:
	case <-time.After(limit):
		t.Fatal("the right password was not compared")
	}
	for range 5 {
		get[failure](t, e, http.StatusUnauthorized, login("support", "wrong"))
	}
	close(held.let)
	if status := <-right; status != http.StatusUnauthorized {
		t.Errorf("the right password gets %d after five failures", status)
	}
	if n := e.user(t, "support").LoginFalseAttempt; n != 5 {
		t.Errorf("%d failures count", n)
	}
	eventually(t, "it is in the audit trail", func() bool {
		return slices.ContainsFunc(e.audits(t), func(a events.Audited) bool { return a.Actor == "support" && a.Details["reason"] == "locked" })
	})
}

// The log does not fill with the tries of strangers.
func TestAuditOfStrangersIsRationed(t *testing.T) {
	t.Parallel()
	e := start(t)
	for i := range 50 {
		get[failure](t, e, http.StatusUnauthorized, login(fmt.Sprint("stranger", i), "x"))
	}
	e.signIn(t, "support")
	eventually(t, "the last sign-in is audited", func() bool {
		all := e.audits(t)
		return all[len(all)-1].Kind == events.SignedIn && len(all) > 10
	})
	if n := len(e.audits(t)); n < 30 || n > 40 {
		t.Errorf("%d audit events of 50 strangers and 3 sign-ins", n)
	}
	if !strings.Contains(e.logs.String(), "not in the audit trail") {
		t.Error("nothing tells that tries are missing in the audit trail")
	}
}

// What an Admin takes away is gone at once, not when the token ends.
func TestTokensFollowTheDatabase(t *testing.T) {
	t.Parallel()
	users := &changingUsers{}
	e := start(t, func(s *setup) {
		s.store = func(st gatewayStore) gatewayStore { users.gatewayStore = st; return users }
	})
	post := call{method: http.MethodPost, path: "/scans", token: e.admin, body: `{}`}
	get[asked](t, e, http.StatusAccepted, post)
	users.change.Store(func(u store.User) store.User { u.Type = "S"; return u })
	get[failure](t, e, http.StatusForbidden, post)
	users.change.Store(func(u store.User) store.User { u.Active = false; return u })
	get[failure](t, e, http.StatusUnauthorized, post)
}
