"""The microservice chassis: messaging, persistence, HTTP and health, written once. No business words."""
