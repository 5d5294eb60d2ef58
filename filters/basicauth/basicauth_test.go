package basicauth_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/filters/basicauth"
	"github.com/weirproxy/weir/sdk/sdktest"
	"github.com/weirproxy/weir/sdk/weir"
)

// hashed has the host make a hash.
func hashed(t *testing.T, password string) (hash string) {
	t.Helper()
	h := sdktest.New(t, sdktest.Filter(func(r *weir.Request, next weir.Next) (*weir.Response, error) {
		var err error
		hash, err = weir.HashPassword(password)
		return weir.Reply(200, ""), err
	}))
	if h.Get("/"); hash == "" {
		t.Fatalf("no hash: %v", h.Log())
	}
	return hash
}

func basic(name, password string) weir.Field {
	return sdktest.Field("authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(name+":"+password)))
}

func TestBasicAuth_AsksForNameAndPassword(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Configured(basicauth.New, `{"realm": "staff", "users": {"ada": "`+hashed(t, "engine: 1")+`"}}`))
	if err := h.Refused(); err != nil {
		t.Fatal(err)
	}
	h.Next(func(r *sdktest.Request) *sdktest.Answer {
		if r.Header.Get("x-user") != "ada" || len(r.Header.Values("x-user")) != 1 || r.Header.Has("authorization") {
			t.Errorf("the application gets\n%s", r.Header)
		}
		return &sdktest.Answer{Status: 200}
	})
	for _, c := range []struct {
		name   string
		fields []weir.Field
		status int
	}{
		{"nothing", nil, 401},
		{"right", []weir.Field{basic("ada", "engine: 1")}, 200},
		{"right, and remembered", []weir.Field{basic("ada", "engine: 1"), sdktest.Field("x-user", "root")}, 200},
		{"scheme in capitals", []weir.Field{{Name: "authorization", Value: strings.ToUpper("Basic") + basic("ada", "engine: 1").Value[5:]}}, 200},
		{"wrong password", []weir.Field{basic("ada", "engine")}, 401},
		{"empty password", []weir.Field{basic("ada", "")}, 401},
		{"unknown name", []weir.Field{basic("bob", "engine: 1")}, 401},
		{"empty name", []weir.Field{basic("", "engine: 1")}, 401},
		{"two fields", []weir.Field{basic("ada", "engine: 1"), basic("bob", "x")}, 401},
		{"another scheme", []weir.Field{sdktest.Field("authorization", "Bearer abcdef")}, 401},
		{"no base64", []weir.Field{sdktest.Field("authorization", "Basic !!!!")}, 401},
		{"no colon", []weir.Field{sdktest.Field("authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("ada")))}, 401},
		{"short", []weir.Field{sdktest.Field("authorization", "Basic")}, 401},
	} {
		resp := h.Get("/", c.fields...)
		if resp.Status != c.status {
			t.Errorf("%s: got %d, want %d; %v", c.name, resp.Status, c.status, h.Log())
		}
		if want := `Basic realm="staff", charset="UTF-8"`; c.status == 401 && resp.Header.Get("www-authenticate") != want {
			t.Errorf("%s: asks by %q", c.name, resp.Header.Get("www-authenticate"))
		}
	}
	if n := h.Metric("basic_auth_failures"); n != 4 {
		t.Errorf("counted %d failures, want 4", n)
	}
	h.Advance(time.Hour)
	if resp := h.Get("/", basic("ada", "engine: 1")); resp.Status != 200 {
		t.Errorf("an hour later: got %d", resp.Status)
	}
}

func TestBasicAuth_RefusesUsersThatNobodyCouldBe(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		`{}`:                          "users: is missing",
		`{"users": {"ada": "plain"}}`: "users.ada: is no hash",
		`{"users": {"a:b": "$2y$10$aaaaaaaaaaaaaaaaaaaaaaaaa"}}`:                    "users.a:b: is no name",
		`{"users": {"a\nb": "$2y$10$aaaaaaaaaaaaaaaaaaaaaaaaa"}}`:                   "is no name",
		`{"forward": "x user", "users": {"a": "$2y$10$aaaaaaaaaaaaaaaaaaaaaaaaa"}}`: "forward: ",
		`{"forward": ":path", "users": {"a": "$2y$10$aaaaaaaaaaaaaaaaaaaaaaaaa"}}`:  "forward: ",
		`{"realm": "a\"b", "users": {"ada": "$2y$10$aaaaaaaaaaaaaaaaaaaaaa"}}`:      "realm",
	} {
		if err := sdktest.New(t, sdktest.Configured(basicauth.New, config)).Refused(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", config, err, want)
		}
	}
}

// TestBasicAuth_TellsOneName: a client does not say who it is by another spelling of the
// field, which what is behind may read as the same (CGI's HTTP_X_USER).
func TestBasicAuth_TellsOneName(t *testing.T) {
	t.Parallel()
	h := sdktest.New(t, sdktest.Configured(basicauth.New, `{"users": {"ada": "`+hashed(t, "engine")+`"}}`))
	h.Get("/", basic("ada", "engine"), sdktest.Field("X_User", "root"), sdktest.Field("x_user", "root"), sdktest.Field("X-USER", "root"), sdktest.Field("x-other_field", "1"))
	if r := h.Requests(); len(r) != 1 || r[0].Header.Has("x_user") || len(r[0].Header.Values("x-user")) != 1 || !r[0].Header.Has("x-other_field") {
		t.Errorf("the application gets\n%s", r[0].Header)
	}
}

// TestBasicAuth_HashesAlikeForEverybody: what it takes to learn that nobody has a name is
// what it takes to learn that a password is wrong.
func TestBasicAuth_HashesAlikeForEverybody(t *testing.T) {
	t.Parallel()
	hash := hashed(t, "engine")
	h := sdktest.New(t, sdktest.Configured(basicauth.New, `{"users": {"ada": "`+hash+`"}}`))
	for _, name := range []string{"ada", "bob"} {
		x := h.Begin(&sdktest.Request{Header: sdktest.Header{basic(name, "x")}})
		if resp := x.Wait(); resp.Status != 401 {
			t.Errorf("%s: got %d", name, resp.Status)
		}
	}
	// The password of the first user opens nothing for who is none.
	if resp := h.Get("/", basic("bob", "engine")); resp.Status != 401 {
		t.Errorf("got %d", resp.Status)
	}
}
