package config

import "testing"

func TestMistakes(t *testing.T) {
	t.Parallel()
	src := "listen: {http: \":80\"}\nsites:\n  größe.test: {root: ./www, tls: off}\n"
	at := func(line, col int) Pos { return Pos{File: "w.yaml", Line: line, Col: col} }
	got := Mistakes(src,
		&Error{Pos: at(3, 22), Message: "open ./www: no such directory", Hint: "make it"},
		&Error{Pos: at(3, 3), Message: "no certificate"},
		&Error{Pos: Pos{File: "w.yaml"}, Message: "of no place"},
		&Error{Pos: at(9, 9), Message: "beyond the end"},
	).Text(false)
	want := `w.yaml: of no place

w.yaml:3:3: no certificate
   2 | sites:
   3 |   größe.test: {root: ./www, tls: off}
     |   ^^^^^^^^^^

w.yaml:3:22: open ./www: no such directory
   2 | sites:
   3 |   größe.test: {root: ./www, tls: off}
     |                      ^^^^^
     = make it

w.yaml:9:9: beyond the end
   9 |
     | ^

4 mistakes in w.yaml`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
