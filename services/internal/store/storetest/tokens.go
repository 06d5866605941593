package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"backupmonitor/services/internal/store"
)

func apiToken(id string, created time.Time) store.APIToken {
	return store.APIToken{ID: id, Name: "Wall in the hall", Scope: "display", Hash: strings.Repeat("ab", 32), CreatedBy: "Jürgen", CreatedAt: created}
}

func exerciseAPITokens(t *testing.T, fresh Fresh) {
	w := migrated(t, fresh)
	first, second := apiToken("b1", noon()), apiToken("a2", noon())
	ends := noon().Add(time.Hour).In(time.FixedZone("", 3600))
	second.ExpiresAt = &ends
	third := apiToken("c3", noon().Add(time.Second))
	for _, tk := range []store.APIToken{first, second, third} {
		if err := w.AddAPIToken(t.Context(), tk, note("made "+tk.ID)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.AddAPIToken(t.Context(), first, note("twice")); !errors.Is(err, store.ErrExists) {
		t.Errorf("made twice: %v", err)
	}
	for _, bad := range []store.APIToken{{}, func() store.APIToken { x := apiToken("d", noon()); x.Name = strings.Repeat("n", 101); return x }()} {
		if err := w.AddAPIToken(t.Context(), bad); err == nil {
			t.Errorf("%+v was made", bad)
		}
	}
	second.ExpiresAt = new(ends.UTC())
	list, err := w.APITokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the tokens", list, []store.APIToken{third, second, first})
	got, err := w.APIToken(t.Context(), "a2")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "a token", got, second)
	for _, id := range []string{"A2", "", "a2 "} {
		if _, err := w.APIToken(t.Context(), id); id != "a2 " && !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
	same(t, "the outbox", w.outbox(t), []string{"made b1", "made a2", "made c3"})
}

func exerciseRevocation(t *testing.T, fresh Fresh) {
	w := migrated(t, fresh)
	if err := w.AddAPIToken(t.Context(), apiToken("a", noon())); err != nil {
		t.Fatal(err)
	}
	if err := w.RevokeAPIToken(t.Context(), "a", noon(), note("revoked")); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b"} {
		if err := w.RevokeAPIToken(t.Context(), id, noon().Add(time.Hour), note("again "+id)); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", id, err)
		}
	}
	tk, err := w.APIToken(t.Context(), "a")
	if err != nil || tk.RevokedAt == nil || !tk.RevokedAt.Equal(noon()) {
		t.Errorf("%+v, %v", tk, err)
	}
	same(t, "the outbox", w.outbox(t), []string{"revoked"})
}

func exerciseTokenUse(t *testing.T, fresh Fresh) {
	w := migrated(t, fresh)
	if err := w.AddAPIToken(t.Context(), apiToken("a", noon())); err != nil {
		t.Fatal(err)
	}
	for _, minutes := range []int{2, 3, 1} {
		at := noon().Add(time.Duration(minutes) * time.Minute)
		if err := w.APITokenUsed(t.Context(), "a", at, fmt.Sprintf("192.0.2.%d", minutes)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.APITokenUsed(t.Context(), "nobody's", noon(), ""); err != nil {
		t.Error(err)
	}
	want := apiToken("a", noon())
	want.LastUsedAt, want.LastUsedFrom = new(noon().Add(3*time.Minute)), "192.0.2.3"
	got, err := w.APIToken(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the token", got, want)
}
