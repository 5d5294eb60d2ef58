module example/cgi

go 1.26
