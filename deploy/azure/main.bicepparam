using 'main.bicep'

param registryName = 'zavarowhouse'
param image = 'zavarowhouse.azurecr.io/rowhouse@sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae'
param hostName = 'tools.example'
param redis = true

// From the environment of whoever deploys, and in no file.
param administratorPassword = readEnvironmentVariable('DATABASE_PASSWORD')
param ticketKey = readEnvironmentVariable('TICKET_KEY')
param loginKey = readEnvironmentVariable('LOGIN_KEY')
param auditKey = readEnvironmentVariable('AUDIT_KEY')
