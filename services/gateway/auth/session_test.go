package auth

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"backupmonitor/services/internal/store"
)

func TestASecretIsChangedWithoutSigningAnybodyOut(t *testing.T) {
	t.Parallel()
	older, newer := []byte(strings.Repeat("o", 32)), []byte(strings.Repeat("n", 32))
	with := func(secret, previous []byte) *Tokens {
		t.Helper()
		tk, err := NewTokens(secret, previous, time.Hour, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		return tk
	}
	u := store.User{ID: "jo", PasswordHash: "$2a$..."}
	token, err := with(older, nil).Issue(u)
	if err != nil {
		t.Fatal(err)
	}
	rotating := with(newer, older)
	if s, err := rotating.Verify(token); err != nil || !s.Of(u) || s.Of(store.User{ID: "jo", PasswordHash: "another"}) {
		t.Errorf("a token of the secret before: %+v, %v", s, err)
	}
	fresh, err := rotating.Issue(u)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := with(newer, nil).Verify(fresh); err != nil || !s.Of(u) {
		t.Errorf("a token of the new secret: %+v, %v", s, err)
	}
	if _, err := with(newer, nil).Verify(token); !errors.Is(err, ErrBadToken) {
		t.Errorf("after the change: %v", err)
	}
	if _, err := NewTokens(newer, older[:31], time.Hour, time.Now); err == nil || !strings.Contains(err.Error(), "JWT_SECRET_KEY_PREVIOUS") {
		t.Errorf("a short secret before: %v", err)
	}
}

func TestTickets(t *testing.T) {
	t.Parallel()
	u := store.User{ID: "jo", PasswordHash: "hash"}
	ends := now.Add(time.Hour)
	ticket, expires, err := tokens(t, now).IssueTicket(Caller{User: u, Expires: ends})
	if err != nil || !expires.Equal(now.Add(TicketLifetime)) {
		t.Fatal(expires, err)
	}
	k, err := tokens(t, now.Add(TicketLifetime)).VerifyTicket(ticket)
	if err != nil || k.UserID != "jo" || k.APIToken != "" || !k.Expires.Equal(ends) || !k.Of(u) {
		t.Errorf("%+v, %v", k, err)
	}
	for what, try := range map[string]func() error{
		"when it has ended": func() error {
			_, err := tokens(t, now.Add(TicketLifetime+ticketLeeway+time.Second)).VerifyTicket(ticket)
			return err
		},
		"as a session": func() error { _, err := tokens(t, now).Verify(ticket); return err },
		"of a session": func() error {
			s, err := tokens(t, now).Issue(u)
			if err != nil {
				t.Fatal(err)
			}
			_, err = tokens(t, now).VerifyTicket(s)
			return err
		},
	} {
		if err := try(); !errors.Is(err, ErrBadToken) {
			t.Errorf("%s: %v", what, err)
		}
	}
	ticket, _, err = tokens(t, now).IssueTicket(Caller{APIToken: &store.APIToken{ID: "abc"}, Expires: ends})
	if err != nil {
		t.Fatal(err)
	}
	if k, err := tokens(t, now).VerifyTicket(ticket); err != nil || k.APIToken != "abc" || k.UserID != "" || k.Of(u) || k.Of(store.User{}) {
		t.Errorf("%+v, %v", k, err)
	}
}

func TestPasswordRules(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"", "short77", strings.Repeat("long and fine ", 6), "a\x00bcdefgh", "password", "Password1", "P@ssw0rd!", "pa$$word2026", "passwordpassword",
		"12345678", "1234567890", "87654321", "11111111", "aaaaaaaaaaaa", "abababababab", "abcdefgh", "qwertyuiop", "Qwertz123", "1q2w3e4r",
		"letmein!!", "Welcome2026", "sommer2026", "backup123", "32787jones", "32787jones!1", "jones32787", "32787JONES", "correcthorsebatterystaple",
	} {
		if err := CheckPassword("32787jones", bad); !errors.Is(err, ErrBadPassword) {
			t.Errorf("%q is taken: %v", bad, err)
		}
	}
	for _, good := range []string{
		"correct horse battery", "Blue-kettle 9", "sieben Zwerge!", "пароль-девять-слов", "32787jones likes tea", "x7$Kq!vb", strings.Repeat("zq9!", 18), "4711-0815-2342-17",
	} {
		if err := CheckPassword("32787jones", good); err != nil {
			t.Errorf("%q is refused: %v", good, err)
		}
	}
}

// Hashes as the original system's bcrypt for Python writes them.
func TestHashesOfThePythonSystem(t *testing.T) {
	t.Parallel()
	p := passwords(t)
	for hash, password := range map[string]string{
		"$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW": "secret",
		"$2a$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW": "abc123xyz",
	} {
		if ok, malformed, err := p.Matches(t.Context(), hash, password); !ok || malformed || err != nil {
			t.Errorf("%s: %t, %t, %v", hash, ok, malformed, err)
		}
	}
}

// Whatever was wrong, the refusal comes after a whole number of steps.
func TestRefusalsComeInSteps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hash, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		users := &slowUsers{oneUser: oneUser{users: map[string]store.User{
			"jo":     {ID: "jo", Type: "S", Active: true, PasswordHash: string(hash)},
			"gone":   {ID: "gone", Type: "S", PasswordHash: string(hash)},
			"locked": {ID: "locked", Type: "S", Active: true, LoginFalseAttempt: LockAt, PasswordHash: string(hash)},
		}}}
		a := &Auth{
			Users: users, Passwords: passwords(t), Tokens: tokens(t, now), Trail: &told{}, Step: 250 * time.Millisecond,
			Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		}
		for user, password := range map[string]string{"nobody": "right", "jo": "wrong", "gone": "right", "locked": "right"} {
			began := time.Now()
			if _, _, err := a.SignIn(t.Context(), Attempt{UserID: user, Password: password}); !errors.Is(err, ErrRefused) {
				t.Fatalf("%s: %v", user, err)
			}
			if took := time.Since(began); took != a.Step {
				t.Errorf("%s is refused after %s", user, took)
			}
		}
	})
}

// slowUsers is a table in which counting a failure takes its time.
type slowUsers struct{ oneUser }

func (s *slowUsers) SignInFailed(ctx context.Context, id string, note func(int) store.Note) (int, error) {
	t := time.NewTimer(17 * time.Millisecond)
	defer t.Stop()
	<-t.C
	return s.oneUser.SignInFailed(ctx, id, note)
}
