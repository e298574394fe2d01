"""The web dashboard: pages over the marts, rendered on the server. It sees nothing but the schema `marts`."""
