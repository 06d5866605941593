package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

type managedJSON struct {
	UserID, UserName, UserType, Designation, Avatar string
	Active, Locked                                  bool
	Failures                                        int
	LastSignIn                                      *time.Time
}

type userAnswer struct{ User managedJSON }

// settings stores some, as a scheduler does at its first start.
func (e *env) settings(t testing.TB) uint64 {
	t.Helper()
	seq, err := e.nats.Log.Write(t.Context(), events.SettingsChanged{
		Schedule: events.Schedule{IntervalSeconds: 3600, From: "06:00", To: "23:00", Days: []int{1, 2, 3, 4, 5}},
		Policy:   events.Policy{MaxAgeSeconds: 26 * 3600, MinSizeBytes: 1024, Patterns: []string{"*.bak"}}, ChangedAt: time.Now(),
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

func (e *env) as(method, path, body string) call {
	return call{method: method, path: path, body: body, token: e.admin}
}

func TestManageUsers(t *testing.T) {
	t.Parallel()
	e := start(t)
	made := get[userAnswer](t, e, http.StatusCreated, e.as("POST", "/users",
		`{"userId":" 32787 ","userName":"Jo Doe","userType":"S","designation":"Night shift","avatar":"jo.png","password":"blue kettle nine"}`)).User
	if want := (managedJSON{UserID: "32787", UserName: "Jo Doe", UserType: "S", Designation: "Night shift", Avatar: "jo.png", Active: true}); made != want {
		t.Errorf("%+v", made)
	}
	if h := e.user(t, "32787").PasswordHash; !strings.HasPrefix(h, "$2a$") {
		t.Errorf("the hash is %s", h)
	}
	session := get[struct{ Token string }](t, e, http.StatusOK, login("32787", "blue kettle nine")).Token
	list := get[struct{ Data []managedJSON }](t, e, http.StatusOK, e.as("GET", "/users", "")).Data
	if len(list) != 3 || list[0].UserID != "32787" || list[0].LastSignIn == nil {
		t.Errorf("%+v", list)
	}
	changed := get[userAnswer](t, e, http.StatusOK, e.as("PUT", "/users/32787", `{"userName":"Jo Smith","userType":"A"}`)).User
	if changed.UserName != "Jo Smith" || changed.UserType != "A" || changed.Designation != "Night shift" {
		t.Errorf("%+v", changed)
	}
	for range 5 {
		get[failure](t, e, http.StatusUnauthorized, login("32787", "wrong"))
	}
	get[failure](t, e, http.StatusUnauthorized, login("32787", "blue kettle nine"))
	if u := get[userAnswer](t, e, http.StatusOK, e.as("POST", "/users/32787/unlock", "")).User; u.Locked || u.Failures != 0 {
		t.Errorf("%+v", u)
	}
	get[struct{}](t, e, http.StatusOK, login("32787", "blue kettle nine"))

	get[userAnswer](t, e, http.StatusOK, e.as("PUT", "/users/32787/password", `{"password":"green kettle ten"}`))
	get[failure](t, e, http.StatusUnauthorized, call{path: "/auth/me", token: session})
	get[failure](t, e, http.StatusUnauthorized, login("32787", "blue kettle nine"))
	session = get[struct{ Token string }](t, e, http.StatusOK, login("32787", "green kettle ten")).Token
	get[userAnswer](t, e, http.StatusOK, e.as("PUT", "/users/32787", `{"active":false}`))
	get[failure](t, e, http.StatusUnauthorized, call{path: "/auth/me", token: session})
	get[failure](t, e, http.StatusUnauthorized, login("32787", "green kettle ten"))

	var told []string
	eventually(t, "all changes are audited", func() bool {
		told = nil
		for _, a := range e.audits(t) {
			if a.Kind == events.UserChanged {
				told = append(told, a.Actor+" "+a.Object+" "+a.Details["change"])
				if text := fmt.Sprint(a); strings.Contains(text, "kettle") || strings.Contains(text, "$2a$") || a.Address != "127.0.0.1" {
					t.Errorf("%+v", a)
				}
			}
		}
		return len(told) == 5
	})
	want := "[admin 32787 made admin 32787 name, user type from S to A admin 32787 unlocked admin 32787 password admin 32787 disabled]"
	if fmt.Sprint(told) != want {
		t.Errorf("%v", told)
	}
}

// What ends sessions does so for good: that it was taken back brings none to
// life again.
func TestEndedSessionsStayEnded(t *testing.T) {
	t.Parallel()
	e := start(t)
	get[userAnswer](t, e, http.StatusCreated, e.as("POST", "/users", `{"userId":"32787","userType":"S","password":"blue kettle nine"}`))
	for what, bodies := range map[string][2]string{
		"disabled and enabled": {`{"active":false}`, `{"active":true}`},
		"another role":         {`{"userType":"A"}`, `{"userType":"S"}`},
	} {
		session := get[struct{ Token string }](t, e, http.StatusOK, login("32787", "blue kettle nine")).Token
		ticket := get[struct{ Ticket string }](t, e, http.StatusOK, call{method: "POST", path: "/auth/stream-ticket", token: session}).Ticket
		get[userAnswer](t, e, http.StatusOK, e.as("PUT", "/users/32787", `{"userName":"`+what+`"}`))
		get[struct{}](t, e, http.StatusOK, call{path: "/auth/me", token: session})
		for _, body := range bodies {
			get[userAnswer](t, e, http.StatusOK, e.as("PUT", "/users/32787", body))
		}
		get[failure](t, e, http.StatusUnauthorized, call{path: "/auth/me", token: session})
		get[failure](t, e, http.StatusUnauthorized, call{path: "/events?ticket=" + ticket})
	}
	get[struct{}](t, e, http.StatusOK, login("32787", "blue kettle nine"))
}

// A user whom an older system gave a name that can no longer be given is reached
// by it, encoded.
func TestAUserWithASlashIsReached(t *testing.T) {
	t.Parallel()
	e := start(t)
	addUser(t, e.store, store.User{ID: "a/b", Type: "S", Active: true})
	if u := get[userAnswer](t, e, http.StatusOK, e.as("PUT", "/users/a%2Fb", `{"active":false}`)).User; u.UserID != "a/b" || u.Active {
		t.Errorf("%+v", u)
	}
}

func TestUsersThatCannotBe(t *testing.T) {
	t.Parallel()
	e := start(t)
	for body, status := range map[string]int{
		`{"userId":"x","userType":"S","password":"short"}`:                                                          400,
		`{"userId":"gardener1","userType":"S","password":"Gardener12"}`:                                             400,
		`{"userId":"x","userType":"S","password":"password123"}`:                                                    400,
		`{"userId":"x","userType":"S","password":"` + strings.Repeat("blue kettle ", 7) + `"}`:                      400,
		`{"userId":"x","userType":"Z","password":"blue kettle nine"}`:                                               400,
		`{"userId":"","userType":"S","password":"blue kettle nine"}`:                                                400,
		`{"userId":"a\nb","userType":"S","password":"blue kettle nine"}`:                                            400,
		`{"userId":"` + strings.Repeat("x", 21) + `","userType":"S","password":"blue kettle nine"}`:                 400,
		`{"userId":"x","userName":"` + strings.Repeat("x", 101) + `","userType":"S","password":"blue kettle nine"}`: 400,
		`{"userId":"x","userType":"S","password":"blue kettle nine","passwordHash":"y"}`:                            400,
		`{"userId":"a/b","userType":"S","password":"blue kettle nine"}`:                                             400,
		`{"userId":"a\\b","userType":"S","password":"blue kettle nine"}`:                                            400,
		`{"userId":".","userType":"S","password":"blue kettle nine"}`:                                               400,
		`{"userId":"..","userType":"S","password":"blue kettle nine"}`:                                              400,
		`{"userId":"Command Line","userType":"S","password":"blue kettle nine"}`:                                    400,
		`{"userId":"outlets_file","userType":"S","password":"blue kettle nine"}`:                                    400,
		`{"userId":"token:abcdef","userType":"S","password":"blue kettle nine"}`:                                    400,
		`{"userId":"ADMIN","userType":"S","password":"blue kettle nine"}`:                                           409,
	} {
		f := get[failure](t, e, status, e.as("POST", "/users", body))
		if strings.Contains(f.Message, "%!") || !strings.HasSuffix(f.Message, ".") {
			t.Errorf("%s: %s", body, f.Message)
		}
	}
	get[failure](t, e, http.StatusNotFound, e.as("PUT", "/users/nobody", `{"active":false}`))
	get[failure](t, e, http.StatusNotFound, e.as("PUT", "/users/nobody/password", `{"password":"blue kettle nine"}`))
	get[failure](t, e, http.StatusNotFound, e.as("POST", "/users/nobody/unlock", ""))
	get[failure](t, e, http.StatusBadRequest, e.as("PUT", "/users/admin/password", `{"password":"blue kettle nine"}`))
	for _, body := range []string{`{"active":false}`, `{"userType":"S"}`} {
		if f := get[failure](t, e, http.StatusConflict, e.as("PUT", "/users/Admin", body)); !strings.Contains(f.Message, "last active Admin") {
			t.Errorf("%s", f.Message)
		}
	}
	if u := e.user(t, "admin"); !u.Active || u.Type != "A" {
		t.Errorf("%+v", u)
	}
}

func TestChangeOnesOwnPassword(t *testing.T) {
	t.Parallel()
	e := start(t)
	put := func(current, next string) call {
		return call{method: "PUT", path: "/auth/password", token: e.support, body: fmt.Sprintf(`{"currentPassword":%q,"newPassword":%q}`, current, next)}
	}
	get[failure](t, e, http.StatusBadRequest, put(password, "support1"))
	get[failure](t, e, http.StatusBadRequest, put(password, password))
	get[failure](t, e, http.StatusForbidden, put("wrong", "blue kettle nine"))
	if n := e.user(t, "support").LoginFalseAttempt; n != 1 {
		t.Errorf("%d failures", n)
	}
	other := e.signIn(t, "support")
	next := get[struct{ Token string }](t, e, http.StatusOK, put(password, "blue kettle nine")).Token
	get[struct{}](t, e, http.StatusOK, call{path: "/auth/me", token: next})
	for _, token := range []string{e.support, other} {
		get[failure](t, e, http.StatusUnauthorized, call{path: "/auth/me", token: token})
	}
	get[struct{}](t, e, http.StatusOK, login("support", "blue kettle nine"))
	// A page left open is no place to guess the password.
	e.support = next
	for range 5 {
		get[failure](t, e, http.StatusForbidden, put("wrong", "red kettle nine"))
	}
	get[failure](t, e, http.StatusForbidden, put("blue kettle nine", "red kettle nine"))
	if u := e.user(t, "support"); u.LoginFalseAttempt != 5 {
		t.Errorf("%+v", u)
	}
}

func TestAPITokens(t *testing.T) {
	t.Parallel()
	e := start(t)
	type detailsJSON struct {
		ID, Name, Scope, CreatedBy       string
		LastUsedFrom                     *string
		ExpiresAt, RevokedAt, LastUsedAt *time.Time
	}
	ends := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	made := get[struct {
		Token   string
		Details detailsJSON
	}](t, e, http.StatusCreated, e.as("POST", "/tokens", `{"name":"Wall in the hall","scope":"display","expiresAt":"`+ends.Format(time.RFC3339)+`"}`))
	if made.Details.Name != "Wall in the hall" || made.Details.CreatedBy != "admin" || !made.Details.ExpiresAt.Equal(ends) || !strings.HasPrefix(made.Token, "bmt_"+made.Details.ID+"_") {
		t.Errorf("%+v", made)
	}
	kept, err := e.store.APIToken(t.Context(), made.Details.ID)
	if err != nil || strings.Contains(fmt.Sprint(kept), strings.Split(made.Token, "_")[2]) {
		t.Errorf("the token is kept: %+v, %v", kept, err)
	}
	get[struct{}](t, e, http.StatusOK, call{path: "/backup-stats", token: made.Token})
	get[failure](t, e, http.StatusForbidden, call{path: "/scheduler/status", token: made.Token})
	me := get[userAnswer](t, e, http.StatusOK, call{path: "/auth/me", token: made.Token}).User
	if me.UserName != "Wall in the hall" || me.UserType != "S" || me.UserID != "token:"+made.Details.ID {
		t.Errorf("%+v", me)
	}
	s := e.listen(t, call{path: "/events", token: made.Token})
	defer s.close()
	if m := s.next(); m.event != "ready" {
		t.Errorf("%+v", m)
	}
	var list []detailsJSON
	eventually(t, "its use is noted", func() bool {
		list = get[struct{ Data []detailsJSON }](t, e, http.StatusOK, e.as("GET", "/tokens", "")).Data
		return len(list) == 1 && list[0].LastUsedAt != nil
	})
	if time.Since(*list[0].LastUsedAt) > 2*time.Minute || list[0].LastUsedFrom == nil || *list[0].LastUsedFrom != "127.0.0.1" {
		t.Errorf("%+v", list)
	}
	if d := get[struct{ Details detailsJSON }](t, e, http.StatusOK, e.as("DELETE", "/tokens/"+made.Details.ID, "")).Details; d.RevokedAt == nil {
		t.Errorf("%+v", d)
	}
	get[failure](t, e, http.StatusUnauthorized, call{path: "/backup-stats", token: made.Token})
	get[failure](t, e, http.StatusNotFound, e.as("DELETE", "/tokens/"+made.Details.ID, ""))
	if _, err := s.read(); err == nil {
		t.Error("a stream outlives its token")
	}
	for _, bad := range []string{
		`{"name":"","scope":"read"}`, `{"name":"x","scope":"write"}`, `{"name":"x","scope":""}`, `{"name":"a\nb","scope":"read"}`,
		`{"name":"` + strings.Repeat("x", 101) + `","scope":"read"}`, `{"name":"x","scope":"read","expiresAt":"2020-01-01T00:00:00Z"}`,
		`{"name":"x","scope":"read","expiresAt":"9999-12-31T23:59:59-12:00"}`,
	} {
		get[failure](t, e, http.StatusBadRequest, e.as("POST", "/tokens", bad))
	}
	ended := time.Now().Add(-time.Second)
	kept.ID, kept.ExpiresAt = "ended", &ended
	if err := e.store.AddAPIToken(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	get[failure](t, e, http.StatusUnauthorized, call{path: "/backup-stats", token: "bmt_ended_" + strings.Split(made.Token, "_")[2]})
}

// Who loses their access loses their open streams too, within 5 s, whoever
// changed the database.
func TestStreamsEndWithTheRight(t *testing.T) {
	t.Parallel()
	e := start(t)
	for what, change := range map[string]func(*store.User){
		"inactive":     func(u *store.User) { u.Active = false },
		"demoted":      func(u *store.User) { u.Type = "S" },
		"new password": func(u *store.User) { u.PasswordHash = strings.Replace(u.PasswordHash, "$2a$04$", "$2a$05$", 1) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			id := strings.ReplaceAll(what, " ", "")
			addUser(t, e.store, store.User{ID: id, Name: id, Type: "A", Active: true})
			token := e.signIn(t, id)
			byHeader := e.listen(t, call{path: "/events", token: token})
			byTicket := e.listen(t, call{path: "/events?ticket=" + e.ticket(t, token)})
			for _, s := range []*eventStream{byHeader, byTicket} {
				defer s.close()
				if m := s.next(); m.event != "ready" {
					t.Fatalf("%+v", m)
				}
			}
			_, err := e.store.ChangeUser(t.Context(), id, func(u *store.User) ([]store.Note, error) { change(u); return nil, nil })
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range []*eventStream{byHeader, byTicket} {
				for err = nil; err == nil; {
					_, err = s.read()
				}
				if errors.Is(err, context.DeadlineExceeded) {
					t.Error("a stream goes on")
				}
			}
		})
	}
}
