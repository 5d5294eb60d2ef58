package route_test

import (
	"fmt"

	"github.com/weirproxy/weir/edge/route"
)

func ExampleCompile() {
	table, err := route.Compile([]route.Rule[string]{
		{Hosts: []string{"example.com"}, Path: "/*", Value: "files"},
		{Hosts: []string{"example.com"}, Path: "/person/{name}/age", Methods: []string{"GET"}, Value: "age"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	found := table.Match("example.com", "/person/ann/age", "GET", nil)
	for name, value := range found.Params() {
		fmt.Println(found.Value, "of", name, value)
	}
	fmt.Println(table.Match("example.com", "/logo.png", "GET", nil).Value)
	// Output:
	// age of name ann
	// files
}

func ExampleCompile_conflict() {
	hosts := []string{"example.com"}
	_, err := route.Compile([]route.Rule[string]{
		{Hosts: hosts, Path: "/shop/{item}", Origin: "weir.yaml:7:9"},
		{Hosts: hosts, Path: "/{section}/new", Origin: "weir.yaml:9:9"},
	})
	fmt.Println(err)
	// Output:
	// weir.yaml:9:9: "/shop/{item}" and "/{section}/new" both match "/shop/new" of example.com, and neither is more specific (the other one: weir.yaml:7:9)
}
